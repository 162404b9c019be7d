//! Amazon EventBridge events.

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct EventBridge;

static ABOUT: About = About {
    name: "aws.eventbridge",
    title: "Amazon EventBridge event",
    origin: Origin::Published(
        "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations-cloudevents.html",
    ),
    detected_by: Some("members `detail-type`, `detail`, `source` and `account`"),
    reply: None,
};

impl Adapter for EventBridge {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|root| root.has(&["detail-type", "detail", "source", "account"]))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let record = json.root();
        let draft = Draft::new(
            record.need("/id")?,
            record.need("/source")?,
            record.need("/detail-type")?,
        )
        .time(record.get("time").and_then(time::of))
        .extension("region", record.text("/region")?);
        let draft = match record.get("detail") {
            Some(detail) => draft.json(detail),
            None => draft,
        };
        Ok(draft.build(record)?.into())
    }
}
