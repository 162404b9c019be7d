//! Amazon DynamoDB Streams through Lambda.

use libfaas::Event;

use super::{each, failures, is_batch_of};
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct DynamoDb;

static ABOUT: About = About {
    name: "aws.dynamodb",
    title: "Amazon DynamoDB Streams records, through Lambda",
    origin: Origin::Prescribed,
    detected_by: Some("`eventSource` of the first record is `aws:dynamodb`"),
    reply: Some("`batchItemFailures`, by `dynamodb.SequenceNumber`"),
};

impl Adapter for DynamoDb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        is_batch_of(payload, "eventSource", |source| source == "aws:dynamodb")
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        each(delivery, event)
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        failures(delivery, answers, "/dynamodb/SequenceNumber")
    }
}

fn event(record: Value<'_>) -> Result<Event, Error> {
    let id = record.need("/eventID")?;
    let source = record.need("/eventSourceARN")?;
    let ty = format!("com.amazonaws.dynamodb.{}", record.need("/eventName")?);
    let time = record.at("/dynamodb/ApproximateCreationDateTime");
    Draft::new(id, source, ty)
        .subject(subject(record)?)
        .time(time.and_then(time::of))
        .json(record)
        .build(record)
}

/// The key as `Name=value`, sorted by name and joined by commas.
fn subject(record: Value<'_>) -> Result<Option<String>, Error> {
    let Some(keys) = record.at("/dynamodb/Keys") else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    for (name, value) in keys.members() {
        // Keys are strings, numbers or binary; some writers put null under the other types.
        let typed = ["S", "N", "B"].iter().find_map(|ty| value.get(ty));
        let text = typed.ok_or_else(|| value.wrong("an attribute value with S, N or B"))?;
        let text = text.as_str().ok_or_else(|| text.wrong("a string"))?;
        parts.push((name, text));
    }
    parts.sort();
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    Ok(Some(parts.join(",")))
}
