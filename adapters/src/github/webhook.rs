//! Web hooks of repositories, organizations and apps.

use std::borrow::Cow;

use libfaas::{Event, Timestamp};

use super::table::{OTHER, ROWS, Row, Source, Suffix, Time};
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{
    About, Adapter, Answer, Delivery, Error, Notice, NoticeKind, Origin, Outcome, Response, http,
    percent, time,
};

pub(crate) struct Webhook;

static ABOUT: About = About {
    name: "github.webhook",
    title: "GitHub web hook",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/github.md",
    ),
    detected_by: Some("the header `X-GitHub-Event`"),
    reply: Some("HTTP 204, else the status's number"),
};

/// The field of a form that has the event, in hooks that are sent as forms.
const FIELD: &str = "payload=";

impl Adapter for Webhook {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, _: Option<Value<'_>>) -> bool {
        delivery.headers.get("x-github-event").is_some()
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let name = delivery.need_header("x-github-event")?;
        let payload = payload(delivery)?;
        let json = Json::read(&payload)?;
        if name == "ping" {
            return Ok(Outcome::notice(Notice {
                kind: NoticeKind::Test,
                what: "GitHub's ping, which it sends when a web hook is set up".to_owned(),
                reply: Some(http::no_content()),
            }));
        }
        Ok(event(delivery, name, json.root())?.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(http::acknowledge(answers, 1))
    }
}

fn event(delivery: &Delivery, name: &str, body: Value<'_>) -> Result<Event, Error> {
    let row = ROWS.iter().find(|row| row.event == name).unwrap_or(&OTHER);
    let mut ty = format!(
        "com.github.{}",
        if row.name.is_empty() { name } else { row.name }
    );
    if let Suffix::Of(pointers) = row.suffix {
        for part in pointers.iter().filter_map(|pointer| body.scalar(pointer)) {
            ty.push('.');
            ty.push_str(&part);
        }
    }
    let id = delivery.need_header("x-github-delivery")?;
    let subject = match row.subject {
        "" => None,
        pointer => body.scalar(pointer),
    };
    Draft::new(id, source(row, body)?, ty)
        .subject(subject)
        .time(Some(
            time(row, body).unwrap_or_else(|| delivery.now.clone()),
        ))
        .json(body)
        .build(body)
}

fn source(row: &Row, body: Value<'_>) -> Result<String, Error> {
    let text = |pointer| body.scalar(pointer).map(Cow::into_owned);
    let found = match row.source {
        Source::Text(text) => Some(text.to_owned()),
        Source::At(pointer) => text(pointer),
        Source::Joined(first, second) => text(first)
            .zip(text(second))
            .map(|(first, second)| format!("{first}/{second}")),
        Source::Parent(pointer) => text(pointer).map(|url| match url.rsplit_once('/') {
            Some((parent, _)) => parent.to_owned(),
            None => url,
        }),
    };
    // Hooks of organizations and apps send some of the events without a repository.
    found
        .or_else(|| text("/repository/url"))
        .or_else(|| text("/organization/url"))
        .or_else(|| text("/installation/account/url"))
        .or_else(|| text("/sender/url"))
        .ok_or_else(|| match row.source {
            Source::At(pointer) | Source::Joined(pointer, _) | Source::Parent(pointer) => {
                body.missing(pointer, "a URL")
            }
            Source::Text(_) => body.wrong("an event"),
        })
}

fn time(row: &Row, body: Value<'_>) -> Option<Timestamp> {
    let at = |pointer: &str| body.at(pointer).and_then(time::of);
    match row.time {
        Time::Now => None,
        Time::At(pointers) => pointers.iter().find_map(|pointer| at(pointer)),
        Time::OfAction => match &*body.scalar("/action")? {
            "created" => at("/release/created_at"),
            "published" | "released" | "prereleased" => at("/release/published_at"),
            _ => None,
        },
    }
}

/// The event: the body, or the field of a form that has it.
fn payload(delivery: &Delivery) -> Result<Cow<'_, [u8]>, Error> {
    let media_type = delivery.media_type().unwrap_or_default();
    if !media_type.starts_with("application/x-www-form-urlencoded") {
        return Ok(Cow::Borrowed(&delivery.payload));
    }
    let body = crate::json::text(&delivery.payload)?;
    let field = body.split('&').find_map(|field| field.strip_prefix(FIELD));
    let field = field.ok_or_else(|| {
        Error::payload(
            "",
            "a form with the field `payload`",
            crate::error::quote(body),
        )
    })?;
    Ok(Cow::Owned(unescaped(field)))
}

/// A form's field without its encoding. What is wrongly encoded stays.
fn unescaped(field: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match percent::byte(*high, *low) {
                Some(byte) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            _ => *byte,
        });
    }
    bytes
}
