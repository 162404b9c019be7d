//! Messages of Azure Service Bus.

use libfaas::Event;

use super::functions;
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct ServiceBus;

const TYPE: &str = "com.microsoft.azure.servicebus.message";

static ABOUT: About = About {
    name: "azure.servicebus",
    title: "Azure Functions: Service Bus trigger",
    origin: Origin::Prescribed,
    detected_by: Some("`Metadata` has `MessageId` and `DeliveryCount`, or the arrays of these"),
    reply: Some(functions::REPLY),
};

impl Adapter for ServiceBus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has(payload, &["MessageId", "DeliveryCount"])
            || functions::has(payload, &["MessageIdArray", "DeliveryCountArray"])
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let metadata = root.need_object("/Metadata")?;
        if metadata.get("MessageId").is_none() && metadata.get("MessageIdArray").is_some() {
            return Ok(many(delivery, root, metadata)?.into());
        }
        let label = match functions::text(metadata, "/Label")? {
            Some(label) => Some(label),
            // Its name since version 5 of the extension.
            None => functions::text(metadata, "/Subject")?,
        };
        // The former has no offset since version 5 of the extension.
        let time = |name| metadata.get(name).and_then(time::of);
        let event = Draft::new(
            functions::need(root, "/Metadata/MessageId")?,
            functions::source(root)?,
            TYPE,
        )
        .subject(label)
        .time(time("EnqueuedTimeUtc").or_else(|| time("EnqueuedTime")))
        .extension("partitionkey", functions::text(metadata, "/SessionId")?)
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let items = self.events(delivery)?.events.len();
        Ok(functions::respond(answers, items))
    }
}

/// The events of a trigger for many messages, whose metadata are arrays.
fn many(delivery: &Delivery, root: Value<'_>, metadata: Value<'_>) -> Result<Vec<Event>, Error> {
    let array = |name| functions::list(metadata, name);
    let labels = match metadata.get("LabelArray") {
        Some(_) => array("LabelArray")?,
        None => array("SubjectArray")?,
    };
    let (ids, times) = (array("MessageIdArray")?, array("EnqueuedTimeUtcArray")?);
    let sessions = array("SessionIdArray")?;
    let (ids, times) = (Json::read(ids.as_bytes())?, Json::read(times.as_bytes())?);
    let (labels, sessions) = (
        Json::read(labels.as_bytes())?,
        Json::read(sessions.as_bytes())?,
    );
    let count = ids.root().items().count();
    let trigger = functions::trigger(delivery, root, |value| {
        functions::length(value) == Some(count)
    })?;
    let messages =
        functions::unwrapped(trigger).ok_or_else(|| trigger.wrong("an array of messages"))?;
    let messages = Json::read(messages.as_bytes())?;
    let source = functions::source(root)?;
    let (mut ids, mut times) = (ids.root().items(), times.root().items());
    let (mut labels, mut sessions) = (labels.root().items(), sessions.root().items());
    let mut events = Vec::with_capacity(count);
    for (index, message) in messages.root().items().enumerate() {
        let id = ids.next().and_then(|id| id.scalar("")).ok_or_else(|| {
            let at = format!("/MessageIdArray/{index}");
            metadata.missing(&at, "an identifier for each message")
        })?;
        let event = Draft::new(id, &source, TYPE)
            .subject(labels.next().and_then(|label| label.as_str()))
            .time(times.next().and_then(time::of))
            .extension("partitionkey", sessions.next().and_then(|id| id.as_str()))
            .json(message)
            .build(root)?;
        events.push(event);
    }
    Ok(events)
}
