//! Notifications of vCloud Director, now VMware Cloud Director.

use libfaas::{AttributeValue, Timestamp};

use super::vcloud_xml;
use crate::draft::Draft;
use crate::json::{self, Kind, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct VCloud;

static ABOUT: About = About {
    name: "vmware.vcloud",
    title: "vCloud Director notification, JSON or XML",
    origin: Origin::Prescribed,
    detected_by: Some(
        "`type` starts with `com/vmware/vcloud/event/` or `org` with `urn:vcloud:org:`, in JSON or in XML",
    ),
    reply: None,
};

/// How the types start that vCloud has itself.
const TYPE: &str = "com/vmware/vcloud/event/";

/// How the name of an organization starts, which a notification of any type has.
const ORG: &str = "urn:vcloud:org:";

/// What an event is made of, from either form.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notification {
    pub(super) id: String,
    pub(super) ty: String,
    pub(super) org: String,
    pub(super) entity: Option<String>,
    pub(super) time: Option<Timestamp>,
    pub(super) success: Option<bool>,
}

impl Adapter for VCloud {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, payload: Option<Value<'_>>) -> bool {
        match payload {
            Some(root) => {
                let starts = |name, start: &str| {
                    let text = root.get(name).and_then(|value| value.as_str());
                    text.is_some_and(|text| text.starts_with(start))
                };
                starts("type", TYPE) || starts("org", ORG)
            }
            None => {
                let xml = json::text(&delivery.payload)
                    .ok()
                    .filter(|text| is_xml(text));
                let notification = xml.and_then(|text| vcloud_xml::read(text).ok());
                notification.is_some_and(|notification| {
                    notification.ty.starts_with(TYPE) || notification.org.starts_with(ORG)
                })
            }
        }
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let text = json::text(&delivery.payload)?;
        if is_xml(text) {
            let notification = vcloud_xml::read(text)?;
            let draft = draft(notification).data("application/xml", text);
            return Ok(draft.build_whole()?.into());
        }
        let json = delivery.json()?;
        let root = json.root();
        let notification = read(root)?;
        Ok(draft(notification).json(root).build(root)?.into())
    }
}

fn is_xml(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

fn read(root: Value<'_>) -> Result<Notification, Error> {
    let success = root
        .get("operationSuccess")
        .filter(|value| value.kind() == Kind::Boolean);
    Ok(Notification {
        id: root.need("/eventId")?.into_owned(),
        ty: root.need("/type")?.into_owned(),
        org: root.need("/org")?.into_owned(),
        entity: root.text("/entity")?.map(Into::into),
        time: root.get("timestamp").and_then(time::of),
        success: success.map(|success| success.raw() == "true"),
    })
}

fn draft(notification: Notification) -> Draft {
    let draft = Draft::new(
        notification.id,
        notification.org,
        notification.ty.replace('/', "."),
    )
    .subject(notification.entity)
    .time(notification.time);
    match notification.success {
        Some(success) => draft.attribute("operationsuccess", AttributeValue::Boolean(success)),
        None => draft,
    }
}
