//! Azure Event Grid, in its own schema.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::{self, Kind, Value};
use crate::{
    About, Adapter, Answer, Delivery, Error, Notice, NoticeKind, Origin, Outcome, Response, http,
    time,
};

pub(crate) struct EventGrid;

static ABOUT: About = About {
    name: "azure.eventgrid",
    title: "Azure Event Grid event, Event Grid schema",
    origin: Origin::Published(
        "https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage",
    ),
    detected_by: Some("`eventType`, `eventTime` and `subject`, of the first if it is an array"),
    reply: Some(
        "to a handshake its code; else HTTP 204, or the number of the first status that is not OK",
    ),
};

const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

impl Adapter for EventGrid {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let Some(first) = payload.and_then(|root| root.one_or_items().next()) else {
            return false;
        };
        let text = |name| {
            first
                .get(name)
                .is_some_and(|value| value.kind() == Kind::String)
        };
        ["eventType", "eventTime", "subject"].into_iter().all(text)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        // A web hook gets an array, a function a single event.
        let mut records = json.root().one_or_items();
        if let Some(validation) = records.find(is_validation) {
            return Ok(Outcome::notice(handshake(validation)?));
        }
        let events: Result<Vec<_>, _> = json.root().one_or_items().map(event).collect();
        Ok(events?.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let json = delivery.json()?;
        Ok(http::acknowledge(
            answers,
            json.root().one_or_items().count(),
        ))
    }
}

fn event(record: Value<'_>) -> Result<Event, Error> {
    let draft = Draft::new(
        record.need("/id")?,
        record.need("/topic")?,
        record.need("/eventType")?,
    )
    .subject(record.text("/subject")?)
    .time(record.get("eventTime").and_then(time::of));
    match record.get("data") {
        Some(data) => draft.json(data),
        None => draft,
    }
    .build(record)
}

fn is_validation(record: &Value<'_>) -> bool {
    let ty = record.get("eventType").and_then(|ty| ty.as_str());
    ty.is_some_and(|ty| ty.eq_ignore_ascii_case(VALIDATION))
}

fn handshake(record: Value<'_>) -> Result<Notice, Error> {
    let code = record.need("/data/validationCode")?;
    let body = format!("{{\"validationResponse\":{}}}", json::string(&code));
    Ok(Notice {
        kind: NoticeKind::Handshake,
        what: "Event Grid's question whether a new subscription is wanted".to_owned(),
        reply: Some(http::with_json(200, body)),
    })
}
