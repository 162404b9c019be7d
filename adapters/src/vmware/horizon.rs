//! Audit events of Horizon.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct Horizon;

static ABOUT: About = About {
    name: "vmware.horizon",
    title: "Horizon audit event",
    origin: Origin::Published(
        "https://github.com/vmware-samples/vcenter-event-broker-appliance/blob/master/vmware-event-router/internal/provider/horizon/horizon.go",
    ),
    detected_by: Some("`id`, `type`, `severity` and `module`, of the first if it is an array"),
    reply: None,
};

impl Adapter for Horizon {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let first = payload.and_then(|root| root.one_or_items().next());
        first.is_some_and(|event| event.has(&["id", "type", "severity", "module"]))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let source = delivery.need_config("source")?;
        // A response of the REST API is an array.
        let events: Result<Vec<_>, _> = json
            .root()
            .one_or_items()
            .map(|record| event(record, source))
            .collect();
        Ok(events?.into())
    }
}

fn event(record: Value<'_>, source: &str) -> Result<Event, Error> {
    let ty = record.need("/type")?.to_lowercase();
    Draft::new(
        record.need_scalar("/id")?,
        source,
        format!("com.vmware.event.router/horizon.{ty}.v0"),
    )
    .time(record.get("time").and_then(time::of))
    .json(record)
    .build(record)
}
