//! Web hooks of projects and groups, and system hooks.

use std::borrow::Cow;

use libfaas::Event;

use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, http, time};

pub(crate) struct Webhook;

static ABOUT: About = About {
    name: "gitlab.webhook",
    title: "GitLab web hook",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/adapters/gitlab.md",
    ),
    detected_by: Some("the header `X-Gitlab-Event`"),
    reply: Some("HTTP 204, else the status's number"),
};

impl Adapter for Webhook {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, _: Option<Value<'_>>) -> bool {
        delivery.headers.get("x-gitlab-event").is_some()
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(delivery, json.root())?.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(http::acknowledge(answers, 1))
    }
}

/// Where a kind of event has its attributes.
struct Row {
    /// What `type` ends in: a name, and what of the record follows it.
    ty: (&'static str, &'static str),
    source: Source,
    subject: &'static str,
    /// Empty for "current time".
    time: &'static str,
}

enum Source {
    At(&'static str),
    /// The URL of a note, without the note.
    Note,
}

const HOMEPAGE: Source = Source::At("/repository/homepage");
const PROJECT: Source = Source::At("/project/web_url");
const CREATED: &str = "/object_attributes/created_at";

fn row(kind: &str, noteable: &str) -> Option<Row> {
    let row = |name, suffix, source, subject, time| Row {
        ty: (name, suffix),
        source,
        subject,
        time,
    };
    Some(match (kind, noteable) {
        ("push", _) => row("push", "", HOMEPAGE, "/checkout_sha", ""),
        ("tag_push", _) => row("tag_push", "", HOMEPAGE, "/ref", ""),
        ("issue", _) => row(
            "issue",
            "/object_attributes/state",
            HOMEPAGE,
            "/object_attributes/iid",
            "",
        ),
        ("note", "Commit") => row(
            "note.commit",
            "",
            Source::At("/commit/url"),
            "/object_attributes/id",
            CREATED,
        ),
        ("note", "MergeRequest") => row(
            "note.merge_request",
            "",
            Source::Note,
            "/object_attributes/id",
            CREATED,
        ),
        ("note", "Issue") => row(
            "note.issue",
            "",
            Source::Note,
            "/object_attributes/id",
            CREATED,
        ),
        ("note", "Snippet") => row(
            "note.snippet",
            "",
            Source::Note,
            "/object_attributes/id",
            CREATED,
        ),
        ("merge_request", _) => row(
            "merge_request",
            "/object_attributes/action",
            HOMEPAGE,
            "/object_attributes/iid",
            CREATED,
        ),
        ("wiki_page", _) => row(
            "wiki_page",
            "/object_attributes/action",
            PROJECT,
            "/object_attributes/slug",
            "",
        ),
        ("pipeline", _) => row(
            "pipeline",
            "/object_attributes/status",
            PROJECT,
            "/object_attributes/id",
            "",
        ),
        ("build", _) => row("job", "/build_status", HOMEPAGE, "/build_id", ""),
        _ => return None,
    })
}

fn event(delivery: &Delivery, body: Value<'_>) -> Result<Event, Error> {
    // System hooks name themselves by another member.
    let kind = match body.text("/object_kind")? {
        Some(kind) => kind,
        None => body
            .text("/event_name")?
            .map_or_else(|| body.need("/object_kind"), Ok)?,
    };
    let noteable = body
        .scalar("/object_attributes/noteable_type")
        .unwrap_or_default();
    let row = row(&kind, &noteable);
    let (name, suffix) = row
        .as_ref()
        .map_or((&*kind, "/object_attributes/action"), |row| row.ty);
    let suffix = body
        .scalar(suffix)
        .map(|suffix| format!(".{suffix}"))
        .unwrap_or_default();
    let (subject, time) = row.as_ref().map_or(("", ""), |row| (row.subject, row.time));
    let time = body
        .at(time)
        .filter(|_| !time.is_empty())
        .and_then(time::of);
    Draft::new(
        delivery.new_id(0),
        source(row, delivery, body)?,
        format!("com.gitlab.{name}{suffix}"),
    )
    .subject(body.scalar(subject).filter(|_| !subject.is_empty()))
    .time(Some(time.unwrap_or_else(|| delivery.now.clone())))
    .json(body)
    .build(body)
}

fn source(row: Option<Row>, delivery: &Delivery, body: Value<'_>) -> Result<String, Error> {
    let text = |pointer| body.scalar(pointer).map(Cow::into_owned);
    let source = row.map(|row| row.source);
    let found = match source {
        Some(Source::At(pointer)) => text(pointer),
        Some(Source::Note) => {
            text("/object_attributes/url").map(|url| match url.split_once("#note_") {
                Some((page, _)) => page.to_owned(),
                None => url,
            })
        }
        None => None,
    };
    // Newer versions leave members out in some hooks; what is of no project is of the instance.
    found
        .or_else(|| text("/project/web_url"))
        .or_else(|| text("/repository/homepage"))
        .or_else(|| text("/group/web_url"))
        .or_else(|| delivery.headers.get("x-gitlab-instance").map(str::to_owned))
        .filter(|source| !source.is_empty())
        .ok_or_else(|| body.missing("/project/web_url", "a URL"))
}
