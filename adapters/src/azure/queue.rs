//! Messages of Azure Queue storage.

use super::functions;
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct Queue;

static ABOUT: About = About {
    name: "azure.queue",
    title: "Azure Functions: Queue storage trigger",
    origin: Origin::Prescribed,
    detected_by: Some("`Metadata` has `DequeueCount` and `PopReceipt`"),
    reply: Some(functions::REPLY),
};

impl Adapter for Queue {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has(payload, &["DequeueCount", "PopReceipt"])
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let event = Draft::new(
            functions::need(root, "/Metadata/Id")?,
            functions::source(root)?,
            "com.microsoft.azure.queuestorage.message",
        )
        .time(root.at("/Metadata/InsertionTime").and_then(time::of))
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(functions::respond(answers, 1))
    }
}
