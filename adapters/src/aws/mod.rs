//! Amazon Web Services.

pub(crate) mod alb;
pub(crate) mod apigateway;
pub(crate) mod dynamodb;
pub(crate) mod eventbridge;
pub(crate) mod kafka;
pub(crate) mod kinesis;
mod proxy;
pub(crate) mod refused;
pub(crate) mod s3;
pub(crate) mod sns;
pub(crate) mod sqs;

use libfaas::{Event, JsonText};

use crate::answer::{Answer, verdicts};
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
