//! Amazon SQS through Lambda.

use libfaas::Event;

use super::{each, failures, is_batch_of};
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct Sqs;

static ABOUT: About = About {
    name: "aws.sqs",
    title: "Amazon SQS messages, through Lambda",
    origin: Origin::Prescribed,
    detected_by: Some("`eventSource` of the first record is `aws:sqs`"),
    reply: Some("`batchItemFailures`, by `messageId`"),
};

impl Adapter for Sqs {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        is_batch_of(payload, "eventSource", |source| source == "aws:sqs")
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        each(delivery, event)
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        failures(delivery, answers, "/messageId")
    }
}

fn event(record: Value<'_>) -> Result<Event, Error> {
    let id = record.need("/messageId")?;
    let source = record.need("/eventSourceARN")?;
    Draft::new(id, source, "com.amazonaws.sqs.message")
        .time(record.at("/attributes/SentTimestamp").and_then(time::of))
        .extension("partitionkey", record.text("/attributes/MessageGroupId")?)
        .json(record)
        .build(record)
}
