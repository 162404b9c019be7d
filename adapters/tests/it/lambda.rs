//! Replies to Lambda, read as the types that AWS publishes for Rust functions.

use aws_lambda_events::alb::AlbTargetGroupResponse;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};
use aws_lambda_events::http::HeaderMap;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::sqs::SqsBatchResponse;
use aws_lambda_events::streams::{DynamoDbEventResponse, KinesisEventResponse};
use faas_adapters::Response;
use faas_adapters::json::Json;
use serde_json::Value;

use crate::{case, samples};

/// The replies to a source's deliveries, for the answers that its fixtures have.
fn replies(source: &str) -> Vec<(String, Value)> {
    let mut replies = Vec::new();
    let samples = samples::all().iter();
    for sample in samples.filter(|sample| sample.adapter.about().name == source) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/").to_owned() + &sample.name;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("reply") {
                continue;
            }
            let text = std::fs::read(&path).unwrap();
            let json = Json::read(&text).unwrap();
            let answers: Vec<_> = json
                .root()
                .need_array("/answers")
                .unwrap()
                .items()
                .map(|value| case::answer(value).unwrap())
                .collect();
            match sample.adapter.reply(&sample.delivery, &answers).unwrap() {
                Response::Value(value) => replies.push((name, value.parse().unwrap())),
                other => panic!("{}/{name}: {other:?}", sample.name),
            }
        }
    }
    assert!(!replies.is_empty(), "{source} has no replies");
    replies
}

/// Every header of the reply is there, and none else.
fn check_headers(name: &str, reply: &Value, member: &str, headers: &HeaderMap) {
    let object = reply.get(member).and_then(Value::as_object);
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (name, value) in object.into_iter().flatten() {
        let one = [value.clone()];
        for value in value.as_array().map_or(&one[..], Vec::as_slice) {
            wanted.push((name.clone(), value.as_str().unwrap().to_owned()));
        }
    }
    let mut came: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    wanted.sort();
    came.sort();
    assert_eq!(came, wanted, "{name}: {member}");
}

macro_rules! same {
    ($name:expr, $reply:expr, $typed:expr) => {
        assert_eq!($reply["statusCode"], $typed.status_code, "{}", $name);
        assert_eq!(
            $reply["isBase64Encoded"], $typed.is_base64_encoded,
            "{}",
            $name
        );
        let body = serde_json::to_value(&$typed.body).unwrap();
        assert_eq!($reply["body"], body, "{}", $name);
        check_headers(&$name, &$reply, "headers", &$typed.headers);
    };
}

#[test]
fn api_gateway() {
    for source in ["aws.apigateway-v1", "aws.apigateway-websocket"] {
        for (name, reply) in replies(source) {
            let typed: ApiGatewayProxyResponse = serde_json::from_value(reply.clone()).unwrap();
            same!(name, reply, typed);
            check_headers(
                &name,
                &reply,
                "multiValueHeaders",
                &typed.multi_value_headers,
            );
        }
    }
    for (name, reply) in replies("aws.apigateway-v2") {
        let typed: ApiGatewayV2httpResponse = serde_json::from_value(reply.clone()).unwrap();
        same!(name, reply, typed);
        assert_eq!(
            reply["cookies"],
            serde_json::to_value(&typed.cookies).unwrap()
        );
    }
}

#[test]
fn lambda_url() {
    for (name, reply) in replies("aws.lambda-url") {
        let typed: LambdaFunctionUrlResponse = serde_json::from_value(reply.clone()).unwrap();
        same!(name, reply, typed);
        assert_eq!(
            reply["cookies"],
            serde_json::to_value(&typed.cookies).unwrap()
        );
    }
}

#[test]
fn alb() {
    for (name, reply) in replies("aws.alb") {
        let typed: AlbTargetGroupResponse = serde_json::from_value(reply.clone()).unwrap();
        same!(name, reply, typed);
        check_headers(
            &name,
            &reply,
            "multiValueHeaders",
            &typed.multi_value_headers,
        );
    }
}

#[test]
fn batches() {
    for (name, reply) in replies("aws.sqs") {
        let typed: SqsBatchResponse = serde_json::from_value(reply.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), reply, "{name}");
    }
    for (name, reply) in replies("aws.kinesis") {
        let typed: KinesisEventResponse = serde_json::from_value(reply.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), reply, "{name}");
    }
    for (name, reply) in replies("aws.dynamodb") {
        let typed: DynamoDbEventResponse = serde_json::from_value(reply.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), reply, "{name}");
    }
}
