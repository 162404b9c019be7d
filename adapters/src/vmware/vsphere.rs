//! Events of vCenter Server.

use std::borrow::Cow;

use libfaas::Event;

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct VSphere;

static ABOUT: About = About {
    name: "vmware.vsphere",
    title: "vSphere event",
    origin: Origin::Published(
        "https://github.com/vmware-samples/vcenter-event-broker-appliance/blob/master/vmware-event-router/internal/events/events.go",
    ),
    detected_by: Some(
        "`Key`, `ChainId` and `UserName`, under the names of the SDK for Go or of the JSON API",
    ),
    reply: None,
};

impl Adapter for VSphere {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|root| {
            ["Key", "ChainId", "UserName"]
                .into_iter()
                .all(|name| either(root, name).is_some())
        })
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(delivery, json.root())?.into())
    }
}

fn event(delivery: &Delivery, root: Value<'_>) -> Result<Event, Error> {
    let id = either(root, "EventTypeId")
        .and_then(|id| id.as_str())
        .filter(|id| !id.is_empty());
    let named = root.text("/_typeName")?;
    let class = named.or_else(|| {
        delivery
            .config
            .get("class")
            .map(|class| Cow::Borrowed(&**class))
    });
    let (category, name) = match (class.as_deref(), id) {
        (Some("EventEx"), Some(id)) => ("eventex", id),
        (Some("ExtendedEvent"), Some(id)) => ("extendedevent", id),
        // Only an ExtendedEvent has these.
        (None, Some(id)) if either(root, "ManagedObject").is_some() => ("extendedevent", id),
        (None, Some(id)) => ("eventex", id),
        (Some(class), _) => ("event", Cow::Owned(class.to_owned())),
        (None, None) => {
            return Err(root.missing(
                "/_typeName",
                "the event's class, here or as the setting `class`",
            ));
        }
    };
    Draft::new(
        delivery.new_id(0),
        delivery.need_config("source")?,
        format!("com.vmware.event.router/{category}"),
    )
    .subject(Some(name))
    .time(either(root, "CreatedTime").and_then(time::of))
    .json(root)
    .build(root)
}

/// A member under the name that the SDK for Go gives it, or with the first letter in lower case, as
/// the JSON API has it.
fn either<'j>(root: Value<'j>, name: &str) -> Option<Value<'j>> {
    let (first, rest) = name.split_at(1);
    root.get(name)
        .or_else(|| root.get(&(first.to_ascii_lowercase() + rest)))
}
