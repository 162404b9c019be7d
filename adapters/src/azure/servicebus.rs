//! Messages of Azure Service Bus.

use super::functions;
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct ServiceBus;

static ABOUT: About = About {
    name: "azure.servicebus",
    title: "Azure Functions: Service Bus trigger",
    origin: Origin::Prescribed,
    detected_by: Some("`Metadata` has `MessageId` and `DeliveryCount`"),
    reply: Some(functions::REPLY),
};

impl Adapter for ServiceBus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has(payload, &["MessageId", "DeliveryCount"])
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let label = match root.text("/Metadata/Label")? {
            Some(label) => Some(label),
            // Its name since version 5 of the extension.
            None => root.text("/Metadata/Subject")?,
        };
        let event = Draft::new(
            root.need("/Metadata/MessageId")?,
            functions::source(root)?,
            "com.microsoft.azure.servicebus.message",
        )
        .subject(label)
        .time(root.at("/Metadata/EnqueuedTimeUtc").and_then(time::of))
        .extension("partitionkey", root.text("/Metadata/SessionId")?)
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(functions::respond(answers, 1))
    }
}
