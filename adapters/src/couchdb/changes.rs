//! Changed documents of a database.

use libfaas::{Event, Timestamp};

use super::{progress, rows};
use crate::draft::Draft;
use crate::json::{Json, Kind, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome};

pub(crate) struct Changes;

static ABOUT: About = About {
    name: "couchdb.changes",
    title: "CouchDB `/db/_changes`",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/adapters/couchdb.md",
    ),
    detected_by: Some(
        "`seq`, `id` and the array `changes`, of the first of `results` if it is a whole response",
    ),
    reply: None,
};

impl Adapter for Changes {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let row = payload.and_then(|root| root.at("/results/0").or(Some(root)));
        row.is_some_and(|row| {
            let kind = |name| row.get(name).map(|value| value.kind());
            kind("seq").is_some() && kind("id").is_some() && kind("changes") == Some(Kind::Array)
        })
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json();
        if let Some(outcome) = progress(delivery, json.as_ref().ok().map(Json::root)) {
            return Ok(outcome);
        }
        let json = json?;
        let source = format!(
            "{}/{}",
            delivery.need_config("source")?.trim_end_matches('/'),
            database(delivery)?
        );
        let events: Result<Vec<_>, _> = rows(json.root())?
            .map(|row| event(row, &source, &delivery.now))
            .collect();
        Ok(events?.into())
    }
}

fn event(row: Value<'_>, source: &str, now: &Timestamp) -> Result<Event, Error> {
    let deleted = row
        .get("deleted")
        .is_some_and(|deleted| deleted.raw() == "true");
    let verb = if deleted { "delete" } else { "update" };
    Draft::new(
        row.need_scalar("/seq")?,
        source,
        format!("org.apache.couchdb.document.{verb}"),
    )
    .time(Some(now.clone()))
    .subject(Some(row.need("/id")?))
    .json(row.need_array("/changes")?)
    .build(row)
}

/// The setting `db`, or what stands before `_changes` in the path.
fn database(delivery: &Delivery) -> Result<&str, Error> {
    let path = delivery.path.trim_matches('/').strip_suffix("/_changes");
    match path.filter(|_| !delivery.config.contains_key("db")) {
        Some(database) => Ok(database),
        None => delivery.need_config("db"),
    }
}
