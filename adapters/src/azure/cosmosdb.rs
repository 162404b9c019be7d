//! Changed documents of Azure Cosmos DB.

use libfaas::Event;

use super::functions;
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct CosmosDb;

static ABOUT: About = About {
    name: "azure.cosmosdb",
    title: "Azure Functions: Cosmos DB trigger",
    origin: Origin::Prescribed,
    detected_by: Some(
        "a member of `Data` is an array of documents with `_lsn`, as it is or encoded as a string",
    ),
    reply: Some(functions::REPLY),
};

impl Adapter for CosmosDb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has_data(payload, is_feed)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let source = functions::source(root)?;
        let trigger = functions::trigger(delivery, root, is_feed)?;
        let documents =
            functions::unwrapped(trigger).ok_or_else(|| trigger.wrong("an array of documents"))?;
        // What is wrong in a document inside a string has no place of its own in the payload.
        let at = trigger.pointer();
        let documents = Json::read(documents.as_bytes())?;
        let events: Result<Vec<_>, _> = documents
            .root()
            .items()
            .map(|document| event(document, &source).map_err(|error| error.inside(&at)))
            .collect();
        Ok(events?.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let items = self.events(delivery)?.events.len();
        Ok(functions::respond(answers, items))
    }
}

fn event(document: Value<'_>, source: &str) -> Result<Event, Error> {
    let id = document.need("/id")?;
    let number = document.need_scalar("/_lsn")?;
    Draft::new(
        format!("{id}:{number}"),
        source,
        "com.microsoft.azure.cosmosdb.document",
    )
    .subject(Some(id))
    .time(document.get("_ts").and_then(time::of))
    .json(document)
    .build(document)
}

fn is_feed(value: Value<'_>) -> bool {
    let inside = || {
        let documents = functions::unwrapped(value)?;
        let json = Json::read(documents.as_bytes()).ok()?;
        Some(json.root().at("/0/_lsn").is_some())
    };
    inside().unwrap_or(false)
}
