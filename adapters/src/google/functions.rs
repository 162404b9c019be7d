//! Background events of Google Cloud Functions, Firebase's among them.

use std::borrow::Cow;

use libfaas::{Event, JsonText};

use super::types::{SERVICES, Shape, TYPES};
use crate::draft::Draft;
use crate::json::{self, Kind, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct Functions;

static ABOUT: About = About {
    name: "google.functions",
    title: "Google Cloud Functions and Firebase background event",
    origin: Origin::Published(
        "https://github.com/GoogleCloudPlatform/functions-framework-conformance/blob/main/docs/mapping.md",
    ),
    detected_by: Some("`eventType`, at the root or in `context`, is one of the mapping's table"),
    reply: None,
};

impl Adapter for Functions {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let ty = payload.and_then(|root| first(root, ["/context/eventType", "/eventType"]));
        let ty = ty.and_then(|ty| ty.as_str());
        ty.is_some_and(|ty| TYPES.iter().any(|(known, ..)| *known == ty))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(json.root())?.into())
    }
}

fn event(root: Value<'_>) -> Result<Event, Error> {
    let google_type = need(root, ["/context/eventType", "/eventType"])?;
    let Some((_, ty, shape)) = TYPES.iter().find(|(known, ..)| *known == google_type) else {
        let at = first(root, ["/context/eventType", "/eventType"]).unwrap_or(root);
        return Err(at.wrong("an event type of the mapping's table"));
    };
    let service = service(root, &google_type)?;
    let resource = resource(root)?;
    let data = root
        .at("/data")
        .ok_or_else(|| root.missing("/data", "the event's data"))?;
    let timestamp = first(root, ["/context/timestamp", "/timestamp"]);
    let id = need(root, ["/context/eventId", "/eventId"])?;
    let (source, subject) = divide(*shape, root, data, &resource)?;
    let draft = Draft::new(&*id, format!("//{service}/{source}"), *ty)
        .subject(subject)
        .time(timestamp.and_then(time::of));
    let draft = match shape {
        Shape::PubSub => draft.data("application/json", message(data, &id, timestamp)?),
        Shape::Auth => draft.data("application/json", user(data)),
        _ => draft.json(data),
    };
    draft.build(root)
}

/// The first of several places that something stands at.
fn first<'j>(root: Value<'j>, pointers: [&str; 2]) -> Option<Value<'j>> {
    pointers.iter().find_map(|pointer| root.at(pointer))
}

fn need<'j>(root: Value<'j>, pointers: [&str; 2]) -> Result<Cow<'j, str>, Error> {
    match first(root, pointers) {
        Some(_) => root
            .text(pointers[0])?
            .map_or_else(|| root.need(pointers[1]), Ok),
        None => Err(root.missing(pointers[1], "a non-empty string")),
    }
}

fn service<'j>(root: Value<'j>, google_type: &str) -> Result<Cow<'j, str>, Error> {
    let resource = root
        .at("/context/resource")
        .filter(|at| at.kind() == Kind::Object);
    if let Some(service) = resource.map_or(Ok(None), |at| at.text("/service"))? {
        return Ok(service);
    }
    let known = SERVICES
        .iter()
        .find(|(start, _)| google_type.starts_with(start));
    known
        .map(|(_, service)| Cow::Borrowed(*service))
        .ok_or_else(|| root.missing("/context/resource/service", "a non-empty string"))
}

fn resource(root: Value<'_>) -> Result<Cow<'_, str>, Error> {
    match root.at("/context/resource") {
        Some(resource) if resource.kind() == Kind::Object => resource
            .text("/name")?
            .map_or_else(|| root.need("/resource"), Ok),
        // What functions get in some languages has the name there.
        Some(resource) if resource.kind() == Kind::String => root.need("/context/resource"),
        _ => root.need("/resource"),
    }
}

/// What of the resource's name goes to the source, and what is the subject.
fn divide(
    shape: Shape,
    root: Value<'_>,
    data: Value<'_>,
    resource: &str,
) -> Result<(String, Option<String>), Error> {
    let split = |at: &str| {
        let (before, after) = resource.split_once(at)?;
        Some((before.to_owned(), format!("{}{after}", &at[1..])))
    };
    let unfit = |expected: &'static str| {
        let at = first(root, ["/context/resource/name", "/resource"]).unwrap_or(root);
        at.wrong(expected)
    };
    let whole = || Ok((resource.to_owned(), None));
    match shape {
        Shape::Plain | Shape::PubSub => whole(),
        Shape::Storage => match split("/objects/") {
            Some((bucket, object)) => Ok((bucket, Some(without_generation(object)))),
            None => whole(),
        },
        Shape::Firestore => match split("/documents/") {
            Some((database, document)) => Ok((database, Some(document))),
            None => whole(),
        },
        Shape::Auth => {
            let user = data.text("/uid")?.map(|user| format!("users/{user}"));
            Ok((resource.to_owned(), user))
        }
        Shape::Analytics => {
            let expected = "a name like `projects/PROJECT/events/EVENT`";
            let (project, event) = split("/events/").ok_or_else(|| unfit(expected))?;
            let app = data.need("/userDim/appInfo/appId")?;
            Ok((format!("{project}/apps/{app}"), Some(event)))
        }
        Shape::Database => {
            let expected = "a name like `projects/_/instances/INSTANCE/refs/PATH`";
            let (path, reference) = split("/refs/").ok_or_else(|| unfit(expected))?;
            let (project, instance) = path
                .split_once("/instances/")
                .ok_or_else(|| unfit(expected))?;
            let domain = root.need("/domain")?;
            let location = match &*domain {
                "firebaseio.com" => "us-central1",
                domain => domain.split('.').next().unwrap_or(domain),
            };
            Ok((
                format!("{project}/locations/{location}/instances/{instance}"),
                Some(reference),
            ))
        }
    }
}

/// An object's name without the `#` and the digits of its generation.
fn without_generation(object: String) -> String {
    match object.rsplit_once('#') {
        Some((name, generation))
            if !generation.is_empty() && generation.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name.to_owned()
        }
        _ => object,
    }
}

/// The data of a Pub/Sub event: its message, with what the context says of it.
fn message(data: Value<'_>, id: &str, timestamp: Option<Value<'_>>) -> Result<JsonText, Error> {
    if data.kind() != Kind::Object {
        return Err(data.wrong("an object"));
    }
    let kept = data
        .members()
        .filter(|(name, _)| !matches!(&**name, "messageId" | "publishTime"));
    let mut members: Vec<_> = kept.map(|(_, value)| value.raw_member()).collect();
    members.push(format!("\"messageId\":{}", json::string(id)));
    if let Some(timestamp) = timestamp {
        members.push(format!("\"publishTime\":{}", timestamp.raw()));
    }
    Ok(json::made(format!(
        "{{\"message\":{{{}}}}}",
        members.join(",")
    )))
}

/// The data of an event about a user: two members of its metadata have other names in CloudEvents.
fn user(data: Value<'_>) -> JsonText {
    let members = data.members().map(|(name, value)| match &*name {
        "metadata" if value.kind() == Kind::Object => {
            let members = value.members().map(|(name, value)| match &*name {
                "createdAt" => format!("\"createTime\":{}", value.raw()),
                "lastSignedInAt" => format!("\"lastSignInTime\":{}", value.raw()),
                _ => value.raw_member(),
            });
            format!("\"metadata\":{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        _ => value.raw_member(),
    });
    match data.kind() {
        Kind::Object => json::made(format!("{{{}}}", members.collect::<Vec<_>>().join(","))),
        _ => data.data(),
    }
}
