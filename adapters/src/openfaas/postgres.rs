//! What the Postgres connector tells of changed rows.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, http, time};

pub(crate) struct Postgres;

static ABOUT: About = About {
    name: "openfaas.postgres",
    title: "OpenFaaS Postgres connector",
    origin: Origin::Prescribed,
    detected_by: Some(
        "the header `X-Connector` names the Postgres connector, or `schema`, `table`, `action` and `data`",
    ),
    reply: Some("HTTP 204, else the status's number"),
};

impl Adapter for Postgres {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, payload: Option<Value<'_>>) -> bool {
        let connector = delivery.headers.get("x-connector").unwrap_or_default();
        let row = |root: Value<'_>| root.has(&["schema", "table", "action", "data"]);
        connector.contains("postgres-connector") || payload.is_some_and(row)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(delivery, json.root())?.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(http::acknowledge(answers, 1))
    }
}

fn event(delivery: &Delivery, root: Value<'_>) -> Result<Event, Error> {
    let id = root
        .text("/id")?
        .map_or_else(|| delivery.new_id(0), Into::into);
    let time = root.get("commitTime").and_then(time::of);
    let subject = format!("{}:{}", root.need("/table")?, root.need("/action")?);
    Draft::new(
        id,
        "/openfaas/connector/postgres",
        "com.openfaas.connector.postgres",
    )
    .subject(Some(subject))
    .time(Some(time.unwrap_or_else(|| delivery.now.clone())))
    .json(root)
    .build(root)
}
