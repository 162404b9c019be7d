//! All adapters, and how the right one is found.

use crate::error::quote;
use crate::passing::Passing;
use crate::{
    Adapter, Delivery, Error, aws, azure, cloudevents, couchdb, github, gitlab, google, kafka,
    kubernetes, openfaas, openwhisk, vmware,
};

/// All adapters, in their order of importance.
// One line each, so that two people can add one at the same time.
pub static ADAPTERS: &[&dyn Adapter] = &[
    // AWS
    &Passing(&aws::s3::S3),
    &Passing(&aws::sqs::Sqs),
    &Passing(&aws::sns::Sns),
    &Passing(&aws::sns::SnsLambda),
    &Passing(&aws::eventbridge::EventBridge),
    &Passing(&aws::apigateway::V1),
    &Passing(&aws::apigateway::V2),
    &Passing(&aws::apigateway::WEBSOCKET),
    &Passing(&aws::apigateway::URL),
    &Passing(&aws::alb::Alb),
    &Passing(&aws::kinesis::Kinesis),
    &Passing(&aws::dynamodb::DynamoDb),
    &Passing(&aws::kafka::Kafka),
    &Passing(&aws::refused::Cognito),
    &Passing(&aws::refused::Authorizer),
    // Azure
    &Passing(&azure::eventgrid::EventGrid),
    &Passing(&azure::http::Http),
    &Passing(&azure::queue::Queue),
    &Passing(&azure::blob::Blob),
    &Passing(&azure::servicebus::ServiceBus),
    &Passing(&azure::eventhub::EventHub),
    &Passing(&azure::cosmosdb::CosmosDb),
    &Passing(&azure::timer::Timer),
    // Google
    &Passing(&google::functions::Functions),
    &Passing(&google::pubsub::PubSub),
    // GitHub, GitLab
    &Passing(&github::webhook::Webhook),
    &Passing(&gitlab::webhook::Webhook),
    // Kafka, Kubernetes, CouchDB
    &Passing(&kafka::record::Record),
    &Passing(&kubernetes::watch::Watch),
    &Passing(&couchdb::changes::Changes),
    &Passing(&couchdb::db_updates::DbUpdates),
    // VMware
    &Passing(&vmware::vcloud::VCloud),
    &Passing(&vmware::vsphere::VSphere),
    &Passing(&vmware::horizon::Horizon),
    // OpenWhisk, OpenFaaS
    &Passing(&openwhisk::run::Run),
    &Passing(&openwhisk::event::UserEvent),
    &Passing(&openwhisk::kafka::KafkaFeed),
    &Passing(&openfaas::postgres::Postgres),
    // CloudEvents
    &cloudevents::CloudEvents,
];

/// Of a payload that nobody knows, this much is looked at to say what was found.
const SHOWN: usize = 256;

/// The adapter of this name.
pub fn find(name: &str) -> Option<&'static dyn Adapter> {
    ADAPTERS
        .iter()
        .copied()
        .find(|adapter| adapter.about().name == name)
}

/// The adapters that recognize a delivery.
pub fn candidates(delivery: &Delivery) -> Vec<&'static dyn Adapter> {
    let json = delivery.json().ok();
    let root = json.as_ref().map(|json| json.root());
    ADAPTERS
        .iter()
        .copied()
        .filter(|adapter| adapter.recognizes(delivery, root))
        .collect()
}

/// The one adapter that recognizes a delivery.
///
/// # Errors
///
/// [`Kind::Unrecognized`](crate::Kind::Unrecognized), with the names of the candidates if there are
/// several.
pub fn detect(delivery: &Delivery) -> Result<&'static dyn Adapter, Error> {
    match candidates(delivery)[..] {
        [one] => Ok(one),
        [] => {
            let found = match delivery.payload.trim_ascii() {
                [] => "an empty payload".to_owned(),
                payload => quote(&String::from_utf8_lossy(
                    &payload[..payload.len().min(SHOWN)],
                )),
            };
            let expected = "a payload or headers that a source is known by";
            Err(Error::unrecognized(expected, found))
        }
        ref several => {
            let names: Vec<_> = several.iter().map(|one| one.about().name).collect();
            let found = format!("what could be any of {}", names.join(", "));
            Err(Error::unrecognized("a delivery of one source", found))
        }
    }
}
