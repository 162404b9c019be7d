//! All adapters, and how the right one is found.

use crate::{Adapter, Delivery, Error, aws};

/// All adapters, in their order of importance.
// One line each, so that two people can add one at the same time.
pub static ADAPTERS: &[&dyn Adapter] = &[
    // AWS
    &aws::s3::S3,
    &aws::sqs::Sqs,
    &aws::sns::Sns,
    &aws::sns::SnsLambda,
    &aws::eventbridge::EventBridge,
    &aws::apigateway::V1,
    &aws::apigateway::V2,
    &aws::apigateway::WEBSOCKET,
    &aws::apigateway::URL,
    &aws::alb::Alb,
    &aws::kinesis::Kinesis,
    &aws::dynamodb::DynamoDb,
    &aws::kafka::Kafka,
    &aws::refused::Cognito,
    &aws::refused::Authorizer,
    // Azure
    // Google
    // GitHub, GitLab
    // Kafka, Kubernetes, CouchDB
    // VMware
    // OpenWhisk, OpenFaaS
    // CloudEvents
];

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
        [] => Err(Error::unrecognized(
            "a delivery that is known by its payload or its headers",
            "none; name its source".to_owned(),
        )),
        ref several => {
            let names: Vec<_> = several.iter().map(|one| one.about().name).collect();
            let found = format!("what could be any of {}; name one", names.join(", "));
            Err(Error::unrecognized("a delivery of one source", found))
        }
    }
}
