//! Amazon Kinesis Data Streams through Lambda.

use libfaas::Event;

use super::{each, failures, is_batch_of};
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct Kinesis;

static ABOUT: About = About {
    name: "aws.kinesis",
    title: "Amazon Kinesis Data Streams records, through Lambda",
    origin: Origin::Prescribed,
    detected_by: Some("`eventSource` of the first record is `aws:kinesis`"),
    reply: Some("`batchItemFailures`, by `kinesis.sequenceNumber`"),
};

impl Adapter for Kinesis {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        is_batch_of(payload, "eventSource", |source| source == "aws:kinesis")
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        each(delivery, event)
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        failures(delivery, answers, "/kinesis/sequenceNumber")
    }
}

fn event(record: Value<'_>) -> Result<Event, Error> {
    let id = record.need("/eventID")?;
    let source = record.need("/eventSourceARN")?;
    let key = record.text("/kinesis/partitionKey")?;
    let time = record.at("/kinesis/approximateArrivalTimestamp");
    Draft::new(id, source, "com.amazonaws.kinesis.record")
        .subject(key.as_ref())
        .time(time.and_then(time::of))
        .extension("partitionkey", key.as_ref())
        .json(record)
        .build(record)
}
