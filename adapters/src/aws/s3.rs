//! Amazon S3 event notifications, and those of others who write the same form.

use libfaas::Event;

use super::is_batch_of;
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Notice, NoticeKind, Origin, Outcome, time};

pub(crate) struct S3;

static ABOUT: About = About {
    name: "aws.s3",
    title: "Amazon S3 event notification",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/aws-s3.md",
    ),
    detected_by: Some("`eventSource` of the first record ends in `:s3`"),
    reply: None,
};

impl Adapter for S3 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        is_test(payload) || is_batch_of(payload, "eventSource", |source| source.ends_with(":s3"))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        if is_test(Some(json.root())) {
            return Ok(Outcome::notice(Notice {
                kind: NoticeKind::Test,
                what: "s3:TestEvent, which S3 sends when notifications of a bucket are set up"
                    .to_owned(),
                reply: None,
            }));
        }
        let records = json.root().need_array("/Records")?;
        let events: Result<Vec<_>, _> = records.items().map(event).collect();
        Ok(events?.into())
    }
}

fn event(record: Value<'_>) -> Result<Event, Error> {
    let request = record.need("/responseElements/x-amz-request-id")?;
    let id = match record.text("/responseElements/x-amz-id-2")? {
        Some(host) => format!("{request}.{host}"),
        None => request.into_owned(),
    };
    let source = [
        record.need("/eventSource")?,
        // Those who have no regions write an empty one.
        record.text("/awsRegion")?.unwrap_or_default(),
        record.need("/s3/bucket/name")?,
    ]
    .join(".");
    let ty = format!("com.amazonaws.s3.{}", record.need("/eventName")?);
    Draft::new(id, source, ty)
        .subject(record.text("/s3/object/key")?)
        .time(record.get("eventTime").and_then(time::of))
        .json(record)
        .build(record)
}

fn is_test(payload: Option<Value<'_>>) -> bool {
    let name = payload.and_then(|payload| payload.get("Event")?.as_str());
    name.is_some_and(|name| name == "s3:TestEvent")
}
