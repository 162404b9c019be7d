//! Amazon Web Services.

pub(crate) mod alb;
pub(crate) mod apigateway;
pub(crate) mod dynamodb;
pub(crate) mod eventbridge;
pub(crate) mod kafka;
pub(crate) mod kinesis;
pub(crate) mod refused;
pub(crate) mod s3;
pub(crate) mod sns;
pub(crate) mod sqs;

use libfaas::{Event, JsonText};

use crate::answer::{Answer, verdicts};
use crate::http::Reply;
use crate::json::Value;
use crate::{Delivery, Error, Outcome, Response};

/// Whether the payload is a batch whose first record has this source under this name: SNS writes
/// `EventSource`, all others `eventSource`.
fn is_batch_of(payload: Option<Value<'_>>, name: &str, source: impl Fn(&str) -> bool) -> bool {
    let record = payload.and_then(|payload| payload.at("/Records/0"));
    let value = record.and_then(|record| record.get(name)?.as_str());
    value.is_some_and(|value| source(&value))
}

/// An event of each record of a batch.
fn each(
    delivery: &Delivery,
    event: impl Fn(Value<'_>) -> Result<Event, Error>,
) -> Result<Outcome, Error> {
    let json = delivery.json()?;
    let records = json.root().need_array("/Records")?;
    let events: Result<Vec<_>, _> = records.items().map(event).collect();
    Ok(events?.into())
}

/// Lambda's partial batch response: the identifiers of the records that did not end with OK.
fn failures(delivery: &Delivery, answers: &[Answer], identifier: &str) -> Result<Response, Error> {
    let json = delivery.json()?;
    let records: Vec<_> = json.root().need_array("/Records")?.items().collect();
    let mut failed = Vec::new();
    for (record, ok) in records.iter().zip(verdicts(answers, records.len())) {
        // Needed of every record: an identifier that Lambda can't find fails the whole batch.
        let identifier = record.need(identifier)?;
        if !ok {
            failed.push(serde_json::json!({ "itemIdentifier": identifier }));
        }
    }
    Ok(value(serde_json::json!({ "batchItemFailures": failed })))
}

fn value(value: serde_json::Value) -> Response {
    let text = value.to_string();
    Response::Value(JsonText::new(text).expect("what serde_json writes is JSON"))
}

/// How a vendor's form of an HTTP response says the headers.
#[derive(Clone, Copy)]
enum HeaderForm {
    /// API Gateway v1: `headers`, and `multiValueHeaders` for names that stand more than once.
    Both,
    /// API Gateway v2 and Lambda URLs: `headers`, values joined by commas, and `cookies`.
    Cookies,
    /// ALB without multi-value headers: `headers`, values joined by commas.
    Single,
    /// ALB with multi-value headers: `multiValueHeaders`.
    Multi,
}

/// The response object of Lambda's proxy integrations.
fn proxy_response(reply: &Reply, form: HeaderForm) -> Response {
    let mut response = serde_json::Map::new();
    response.insert("statusCode".into(), reply.status.into());
    let mut names: Vec<(String, Vec<&str>)> = Vec::new();
    let mut cookies = Vec::new();
    for (name, value) in reply.headers.iter() {
        let name = name.to_ascii_lowercase();
        if name == "set-cookie" && matches!(form, HeaderForm::Cookies) {
            cookies.push(value);
            continue;
        }
        match names.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => names.push((name, vec![value])),
        }
    }
    let mut single = serde_json::Map::new();
    let mut multi = serde_json::Map::new();
    for (name, values) in names {
        match form {
            HeaderForm::Multi => {
                multi.insert(name, values.into());
            }
            HeaderForm::Both if values.len() > 1 => {
                multi.insert(name, values.into());
            }
            // Cookies can't be joined, and there is one place.
            HeaderForm::Single if name == "set-cookie" => {
                single.insert(name, values[0].into());
            }
            _ => {
                single.insert(name, values.join(",").into());
            }
        }
    }
    let members = [("headers", single), ("multiValueHeaders", multi)];
    for (name, headers) in members {
        if !headers.is_empty() {
            response.insert(name.into(), headers.into());
        }
    }
    if matches!(form, HeaderForm::Cookies) {
        response.insert("cookies".into(), cookies.into());
    }
    let text = std::str::from_utf8(&reply.body).ok().filter(|_| reply.text);
    let body = match text {
        Some(text) => text.to_owned(),
        None => data_encoding::BASE64.encode(&reply.body),
    };
    response.insert("body".into(), body.into());
    response.insert("isBase64Encoded".into(), text.is_none().into());
    value(response.into())
}
