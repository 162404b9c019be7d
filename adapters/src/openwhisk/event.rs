//! User events: what OpenWhisk says of activations and of limits.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct UserEvent;

static ABOUT: About = About {
    name: "openwhisk.event",
    title: "OpenWhisk user event",
    origin: Origin::Prescribed,
    detected_by: Some("`eventType` is `Activation` or `Metric`, beside `body` and `source`"),
    reply: None,
};

impl Adapter for UserEvent {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|root| {
            let ty = root.get("eventType").and_then(|ty| ty.as_str());
            let known = ty.is_some_and(|ty| matches!(&*ty, "Activation" | "Metric"));
            known && root.has(&["body", "source"])
        })
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(delivery, json.root())?.into())
    }
}

fn event(delivery: &Delivery, root: Value<'_>) -> Result<Event, Error> {
    let ty = root.need("/eventType")?;
    let (ty, subject) = match &*ty {
        "Activation" => ("org.apache.openwhisk.activation", root.text("/body/name")?),
        "Metric" => (
            "org.apache.openwhisk.metric",
            root.text("/body/metricName")?,
        ),
        _ => {
            let at = root.get("eventType").unwrap_or(root);
            return Err(at.wrong("`Activation` or `Metric`"));
        }
    };
    let id = root
        .text("/body/activationId")?
        .map_or_else(|| delivery.new_id(0), Into::into);
    Draft::new(id, format!("/openwhisk/{}", root.need("/source")?), ty)
        .subject(subject)
        .time(root.get("timestamp").and_then(time::of))
        .json(root)
        .build(root)
}
