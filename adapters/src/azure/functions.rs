//! What all triggers of Azure Functions have in common, as a custom handler gets and answers them.

use std::borrow::Cow;

use crate::error::quote;
use crate::json::{self, Json, Kind, Value};
use crate::{Answer, Delivery, Error, Response};

/// What a trigger that is not HTTP expects back, in words.
pub(super) const REPLY: &str =
    "`{Outputs, Logs, ReturnValue}`; HTTP with the status's number if a call did not end OK";

/// A string of the metadata; newer hosts encode it as JSON once more, so it may stand inside.
pub(super) fn text<'j>(root: Value<'j>, pointer: &str) -> Result<Option<Cow<'j, str>>, Error> {
    let text = root.text(pointer)?.map(decoded);
    Ok(text.filter(|text| !text.is_empty()))
}

/// A string of the metadata that has to be there.
pub(super) fn need<'j>(root: Value<'j>, pointer: &str) -> Result<Cow<'j, str>, Error> {
    text(root, pointer)?.ok_or_else(|| root.missing(pointer, "a non-empty string"))
}

fn decoded(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.starts_with('"') {
        return text;
    }
    let json = Json::read(text.as_bytes());
    let inside = json
        .ok()
        .and_then(|json| Some(json.root().as_str()?.into_owned()));
    inside.map_or(text, Cow::Owned)
}

/// The source of what names no other: the function that it triggers.
pub(super) fn source(root: Value<'_>) -> Result<String, Error> {
    let method = root.need("/Metadata/sys/MethodName")?;
    Ok(format!("/azure/functions/{method}"))
}

/// Whether this is an invocation of a custom handler.
pub(super) fn is_invocation(root: Value<'_>) -> bool {
    let object = |name| {
        root.get(name)
            .is_some_and(|value| value.kind() == Kind::Object)
    };
    object("Data") && object("Metadata")
}

/// Whether it is an invocation with a binding whose data is of this shape.
pub(super) fn has_data(payload: Option<Value<'_>>, shape: fn(Value<'_>) -> bool) -> bool {
    payload
        .filter(|root| is_invocation(*root))
        .and_then(|root| root.get("Data"))
        .is_some_and(|data| data.members().into_iter().any(|(_, value)| shape(value)))
}

/// Whether the metadata has all of these members.
pub(super) fn has(payload: Option<Value<'_>>, members: &[&str]) -> bool {
    payload
        .filter(|root| is_invocation(*root))
        .and_then(|root| root.get("Metadata"))
        .is_some_and(|metadata| metadata.has(members))
}

/// The trigger's own data among the bindings of `Data`: the one that the configuration names, or
/// the only one, or the only one that looks like it.
pub(super) fn trigger<'j>(
    delivery: &Delivery,
    root: Value<'j>,
    looks_like_it: impl Fn(Value<'j>) -> bool,
) -> Result<Value<'j>, Error> {
    let data = root.need_object("/Data")?;
    let bindings: Vec<_> = data.members().collect();
    if let Some(name) = delivery.config.get("binding") {
        let found = bindings.iter().find(|(binding, _)| binding == name);
        return found
            .map(|(_, value)| *value)
            .ok_or_else(|| data.wrong(format!("a member {}", quote(name))));
    }
    if let [(_, only)] = bindings[..] {
        return Ok(only);
    }
    let mut likely = bindings.iter().filter(|(_, value)| looks_like_it(*value));
    match (likely.next(), likely.next()) {
        (Some((_, value)), None) => Ok(*value),
        _ => Err(data.wrong("one member; name the trigger's by the setting `binding`")),
    }
}

/// A value that the host may have encoded as a string of JSON, more than once: the document inside,
/// if there is one that is an array.
pub(super) fn unwrapped(value: Value<'_>) -> Option<Cow<'_, str>> {
    let mut text = match value.kind() {
        Kind::Array => return Some(Cow::Borrowed(value.raw())),
        _ => value.as_str()?.into_owned(),
    };
    // Each level is shorter than the one around it.
    loop {
        let json = Json::read(text.as_bytes()).ok()?;
        let root = json.root();
        match root.kind() {
            Kind::Array => return Some(Cow::Owned(root.raw().to_owned())),
            Kind::String => text = root.as_str()?.into_owned(),
            _ => return None,
        }
    }
}

/// An array of the metadata, which the host may have encoded as a string; empty if there is none.
pub(super) fn list<'j>(metadata: Value<'j>, name: &str) -> Result<Cow<'j, str>, Error> {
    match metadata.get(name) {
        None => Ok(Cow::Borrowed("[]")),
        Some(value) => unwrapped(value).ok_or_else(|| value.wrong("an array")),
    }
}

/// How many items there are, if it is an array or a string that holds one.
pub(super) fn length(value: Value<'_>) -> Option<usize> {
    let array = unwrapped(value)?;
    let json = Json::read(array.as_bytes()).ok()?;
    Some(json.root().items().count())
}

/// The response of a custom handler. The host takes anything but 200 for a failed invocation.
pub(super) fn respond(answers: &[Answer], items: usize) -> Response {
    let acknowledged = crate::http::acknowledge(answers, items);
    if let Response::Http { status: 400.., .. } = acknowledged {
        return acknowledged;
    }
    let results: Vec<_> = answers.iter().flat_map(|answer| &answer.events).collect();
    let value = match results[..] {
        [] => "null".to_owned(),
        [event] => json::of_result(event),
        _ => {
            let values: Vec<_> = results.into_iter().map(json::of_result).collect();
            format!("[{}]", values.join(","))
        }
    };
    crate::http::with_json(
        200,
        format!("{{\"Outputs\":{{}},\"Logs\":[],\"ReturnValue\":{value}}}"),
    )
}
