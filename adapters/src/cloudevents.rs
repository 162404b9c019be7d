//! What is a CloudEvent already: structured, as a batch, or binary by its headers.

use std::borrow::Cow;

use bytes::Bytes;
use libfaas::Event;
use memchr::memmem;

use crate::error::quote;
use crate::json::{Json, Kind, Value};
use crate::{
    About, Adapter, Answer, Delivery, Error, Notice, NoticeKind, Origin, Outcome, Response, http,
    media, percent,
};

pub(crate) struct CloudEvents;

static ABOUT: About = About {
    name: "cloudevents.event",
    title: "CloudEvents, structured, batch or binary",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
    ),
    detected_by: Some(
        "the media type, a header `ce-specversion` or `ce_specversion`, or `specversion`, `id`, `source` and `type` in the payload",
    ),
    reply: Some("HTTP 204, else the number of the first status that is not OK"),
};

/// How a delivery is a CloudEvent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Structured,
    Batch,
    /// With this before the names of attributes: `ce-` over HTTP, `ce_` in Kafka's headers.
    Binary(&'static str),
    /// The question whether events are welcome (HTTP 1.1 Web Hooks for Event Delivery).
    Handshake,
}

impl Adapter for CloudEvents {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, payload: Option<Value<'_>>) -> bool {
        mode(delivery, payload).is_some()
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json();
        let root = json.as_ref().ok().map(Json::root);
        match mode(delivery, root) {
            Some(mode) => outcome(delivery, mode),
            // What is there says best what is missing.
            None => outcome(delivery, Mode::Structured),
        }
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let items = self.events(delivery)?.events.len();
        Ok(http::acknowledge(answers, items))
    }
}

/// The events of a delivery that is a CloudEvent already, whatever source it was said to be of
/// (rule `adapter-pass-through`); None if it is none.
pub(crate) fn pass_through(delivery: &Delivery) -> Option<Result<Outcome, Error>> {
    let named = by_media_type(delivery).or_else(|| by_headers(delivery));
    let mode = match named {
        Some(mode) => mode,
        // Far most payloads are none: looking for the name costs less than reading them twice.
        None if may_have(&delivery.payload, "specversion") => {
            by_payload(delivery.json().ok()?.root())?
        }
        None => return None,
    };
    Some(outcome(delivery, mode))
}

/// Whether JSON may have a member of this name, which can be written with escapes.
fn may_have(payload: &[u8], name: &str) -> bool {
    let has = |what: &[u8]| memmem::find(payload, what).is_some();
    has(name.as_bytes()) || has(b"\\u00")
}

fn mode(delivery: &Delivery, payload: Option<Value<'_>>) -> Option<Mode> {
    by_media_type(delivery)
        .or_else(|| by_headers(delivery))
        .or_else(|| by_payload(payload?))
}

fn by_media_type(delivery: &Delivery) -> Option<Mode> {
    let media_type = media::essence(delivery.media_type()?);
    match media_type.as_str() {
        "application/cloudevents-batch+json" => Some(Mode::Batch),
        _ if media_type.starts_with("application/cloudevents") => Some(Mode::Structured),
        _ => None,
    }
}

fn by_headers(delivery: &Delivery) -> Option<Mode> {
    if delivery.method.eq_ignore_ascii_case("OPTIONS") {
        return delivery
            .headers
            .get("webhook-request-origin")
            .map(|_| Mode::Handshake);
    }
    let has = |name| delivery.headers.get(name).is_some();
    match (has("ce-specversion"), has("ce_specversion")) {
        (true, _) => Some(Mode::Binary("ce-")),
        (_, true) => Some(Mode::Binary("ce_")),
        _ => None,
    }
}

fn by_payload(payload: Value<'_>) -> Option<Mode> {
    let (event, mode) = match payload.kind() {
        Kind::Array => (payload.items().next()?, Mode::Batch),
        _ => (payload, Mode::Structured),
    };
    let text = |name| {
        event
            .get(name)
            .is_some_and(|value| value.kind() == Kind::String)
    };
    ["specversion", "id", "source", "type"]
        .into_iter()
        .all(text)
        .then_some(mode)
}

fn outcome(delivery: &Delivery, mode: Mode) -> Result<Outcome, Error> {
    match mode {
        Mode::Structured => Ok(structured(delivery.json()?.root())?.into()),
        Mode::Batch => {
            let json = delivery.json()?;
            let batch = json.root().need_array("")?;
            let events: Result<Vec<_>, _> = batch.items().map(structured).collect();
            Ok(events?.into())
        }
        Mode::Binary(prefix) => Ok(binary(delivery, prefix)?.into()),
        Mode::Handshake => Ok(Outcome::notice(handshake(delivery))),
    }
}

fn structured(event: Value<'_>) -> Result<Event, Error> {
    if event.kind() != Kind::Object {
        return Err(event.wrong("a CloudEvent"));
    }
    Event::from_json(event.raw().to_owned())
        .map_err(|error| Error::payload(event.pointer(), "a valid CloudEvent", error.to_string()))
}

fn binary(delivery: &Delivery, prefix: &str) -> Result<Event, Error> {
    let mut event = Event::builder("", "", "");
    for (header, value) in delivery.headers.iter() {
        let header = header.to_ascii_lowercase();
        let Some(name) = header.strip_prefix(prefix) else {
            continue;
        };
        let value = match prefix {
            "ce-" => decoded(value),
            _ => Cow::Borrowed(value),
        };
        event = match name {
            "specversion" if value == "1.0" => event,
            "specversion" => {
                let found = quote(&value);
                return Err(Error::delivery(
                    format!("/headers/{header}"),
                    "`1.0`",
                    found,
                ));
            }
            "id" => event.id(value),
            "source" => event.source(value),
            "type" => event.ty(value),
            "time" => event.time(value),
            "dataschema" => event.dataschema(value),
            // It travels as the content type; a header of this name would be another attribute.
            "datacontenttype" => event,
            name => event.attribute(name, &*value),
        };
    }
    if let Some(media_type) = delivery.media_type() {
        event = event.datacontenttype(media_type);
    }
    if !delivery.payload.is_empty() {
        let media_type = delivery.media_type().unwrap_or_default();
        event = event.data(media::data(media_type, &delivery.payload));
    }
    event.build().map_err(|error| {
        let header = match error.attribute() {
            "data" => return Error::payload("", "data of a valid CloudEvent", error.to_string()),
            "datacontenttype" => "content-type".to_owned(),
            name => format!("{prefix}{name}"),
        };
        Error::delivery(
            format!("/headers/{header}"),
            "an attribute of a valid CloudEvent",
            error.to_string(),
        )
    })
}

/// A header's value without its quotes and percent-encoding (HTTP binding, section 3.1.3.2). What
/// is wrongly encoded stays.
fn decoded(value: &str) -> Cow<'_, str> {
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let value = quoted.unwrap_or(value);
    if !value.contains('%') && (quoted.is_none() || !value.contains('\\')) {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'\\', byte, after @ ..] if quoted.is_some() => {
                bytes.push(*byte);
                after
            }
            [b'%', high, low, after @ ..] => match percent::byte(*high, *low) {
                Some(byte) => {
                    bytes.push(byte);
                    after
                }
                None => {
                    bytes.push(b'%');
                    &rest[1..]
                }
            },
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(value), Cow::Owned)
}

/// The answer to the question of an origin whether it may deliver. Consent is the deployer's: none is
/// given unless the setting says so.
fn handshake(delivery: &Delivery) -> Notice {
    let origin = delivery
        .headers
        .get("webhook-request-origin")
        .unwrap_or_default();
    let origins = delivery.config.get("origins").map_or("", String::as_str);
    let is_welcome = origins
        .split(',')
        .map(str::trim)
        .any(|welcome| welcome == "*" || welcome.eq_ignore_ascii_case(origin));
    let mut headers = vec![("Allow".to_owned(), "POST".to_owned())];
    let mut what = format!(
        "the question of {} whether it may deliver events",
        quote(origin)
    );
    if is_welcome && !origin.is_empty() {
        headers.push(("WebHook-Allowed-Origin".to_owned(), origin.to_owned()));
        headers.push(("WebHook-Allowed-Rate".to_owned(), "*".to_owned()));
    } else {
        what += ", which the setting `origins` does not allow";
    }
    Notice {
        kind: NoticeKind::Handshake,
        what,
        reply: Some(Response::Http {
            status: if headers.len() > 1 { 200 } else { 405 },
            headers,
            body: Bytes::new(),
        }),
    }
}
