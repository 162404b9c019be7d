//! Events of Azure Event Hubs, and of IoT Hub's built-in endpoint.

use std::borrow::Cow;

use libfaas::Event;

use super::functions;
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct EventHub;

static ABOUT: About = About {
    name: "azure.eventhub",
    title: "Azure Functions: Event Hubs trigger",
    origin: Origin::Prescribed,
    detected_by: Some("`Metadata` has `PartitionContext`"),
    reply: Some(functions::REPLY),
};

impl Adapter for EventHub {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has(payload, &["PartitionContext"])
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let hub = Hub::read(delivery, root)?;
        let metadata = root.need_object("/Metadata")?;
        if metadata.get("SequenceNumber").is_some() {
            let trigger = functions::trigger(delivery, root, |_| false)?;
            let number = metadata.need_scalar("/SequenceNumber")?;
            let enqueued = metadata.get("EnqueuedTimeUtc");
            return Ok(hub.event(trigger, &number, enqueued, root)?.into());
        }
        let (numbers, times) = (
            functions::list(metadata, "SequenceNumberArray")?,
            functions::list(metadata, "EnqueuedTimeUtcArray")?,
        );
        let (numbers, times) = (
            Json::read(numbers.as_bytes())?,
            Json::read(times.as_bytes())?,
        );
        let count = numbers.root().items().count();
        let trigger = functions::trigger(delivery, root, |value| {
            functions::length(value) == Some(count)
        })?;
        let elements =
            functions::unwrapped(trigger).ok_or_else(|| trigger.wrong("an array of events"))?;
        let elements = Json::read(elements.as_bytes())?;
        let (mut numbers, mut times) = (numbers.root().items(), times.root().items());
        let mut events = Vec::new();
        for (index, element) in elements.root().items().enumerate() {
            let number = numbers
                .next()
                .and_then(|number| number.scalar(""))
                .ok_or_else(|| {
                    metadata.missing(
                        &format!("/SequenceNumberArray/{index}"),
                        "a number for each event",
                    )
                })?;
            events.push(hub.event(element, &number, times.next(), root)?);
        }
        Ok(events.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let items = self.events(delivery)?.events.len();
        Ok(functions::respond(answers, items))
    }
}

/// Where the events come from.
struct Hub {
    source: String,
    partition: String,
}

impl Hub {
    fn read(delivery: &Delivery, root: Value<'_>) -> Result<Self, Error> {
        let context = root.need_object("/Metadata/PartitionContext")?;
        let hub = match context.text("/EventHubName")? {
            Some(hub) => hub,
            // Its name before version 5 of the extension, which does not tell the namespace.
            None => context
                .text("/EventHubPath")?
                .map_or_else(|| context.need("/EventHubName"), Ok)?,
        };
        let namespace = match context.text("/FullyQualifiedNamespace")? {
            Some(namespace) => namespace,
            None => Cow::Borrowed(delivery.need_config("namespace")?),
        };
        Ok(Hub {
            source: format!("//{namespace}/{hub}"),
            partition: context.need_scalar("/PartitionId")?.into_owned(),
        })
    }

    fn event(
        &self,
        element: Value<'_>,
        number: &str,
        enqueued: Option<Value<'_>>,
        root: Value<'_>,
    ) -> Result<Event, Error> {
        Draft::new(
            format!("{}:{number}", self.partition),
            &self.source,
            "com.microsoft.azure.eventhub.event",
        )
        .time(enqueued.and_then(time::of))
        .json(element)
        .build(root)
    }
}
