//! Databases that come, change and go.

use libfaas::Event;

use super::{progress, rows};
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome};

pub(crate) struct DbUpdates;

static ABOUT: About = About {
    name: "couchdb.db-updates",
    title: "CouchDB `/_db_updates`",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/adapters/couchdb.md",
    ),
    detected_by: Some("`db_name` and `type`, of the first of `results` if it is a whole response"),
    reply: None,
};

impl Adapter for DbUpdates {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let row = payload.and_then(|root| root.at("/results/0").or(Some(root)));
        row.is_some_and(|row| row.has(&["db_name", "type"]))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json();
        if let Some(outcome) = progress(delivery, json.as_ref().ok().map(Json::root)) {
            return Ok(outcome);
        }
        let json = json?;
        let rows = rows(json.root())?.enumerate();
        let events: Result<Vec<_>, _> = rows
            .map(|(index, row)| event(delivery, index, row))
            .collect();
        Ok(events?.into())
    }
}

fn event(delivery: &Delivery, index: usize, row: Value<'_>) -> Result<Event, Error> {
    let done = row.need("/type")?;
    // `created`, `updated`, `deleted` and `ddoc_updated` become what was done.
    let verb = done.strip_suffix('d').unwrap_or(&done);
    let id = match row.get("seq") {
        Some(_) => row.need_scalar("/seq")?.into_owned(),
        None => delivery.new_id(index),
    };
    Draft::new(
        id,
        delivery.need_config("source")?,
        format!("org.apache.couchdb.database.{verb}"),
    )
    .subject(Some(row.need("/db_name")?))
    .time(Some(delivery.now.clone()))
    .build(row)
}
