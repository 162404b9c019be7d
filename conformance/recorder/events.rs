//! Events and messages, from the JSON of a step and into the JSON of what was read.

use libfaas::{Encoding, Event, Limits, Message, MessageDecoder};
use serde_json::{Value, json};

use crate::process::unusable;

/// The event of a step: what it lacks of the attributes that every event has is added.
pub(crate) fn complete(event: &Value, n: usize) -> Value {
    let mut whole = json!({
        "specversion": "1.0",
        "id": format!("recorder/{n}"),
        "source": "/fsi/recorder",
        "type": "fsi.recorder.result",
    });
    let members = whole.as_object_mut().expect("it is one");
    for (name, value) in event.as_object().into_iter().flatten() {
        match value {
            // So a case can ask for an event that is invalid.
            Value::String(text) if text == "$absent" => drop(members.remove(name)),
            _ => drop(members.insert(name.clone(), value.clone())),
        }
    }
    whole
}

/// An event that tells something.
pub(crate) fn telling(what: &str, data: Value) -> Value {
    json!({
        "type": format!("fsi.recorder.{what}"),
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// A message in an encoding; in JSON whatever the step says.
pub(crate) fn encoded(message: &Value, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Json {
        return format!("{message}\n").into_bytes();
    }
    let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
    if message.get("hello").is_none() {
        decoder.push(b"{\"hello\":{\"fsi\":\"1.0\"}}\n");
        let _ = decoder.next();
    }
    decoder.push(format!("{message}\n").as_bytes());
    match decoder.next() {
        Ok(Some(received)) if received.invalid_event.is_none() => {
            let mut bytes = Vec::new();
            libfaas::encode_message(&received.message, encoding, &mut bytes);
            bytes
        }
        _ => unusable(&format!(
            "{message} can't be written in {encoding}; use `raw`"
        )),
    }
}

/// An event document in an encoding; in JSON whatever the step says.
pub(crate) fn document(event: &Value, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Json {
        return format!("{event}\n").into_bytes();
    }
    match Event::from_json(event.to_string()) {
        Ok(event) => delimited(&event, encoding),
        Err(_) => unusable(&format!(
            "{event} can't be written in {encoding}; use `raw`"
        )),
    }
}

/// An event as one of several documents.
pub(crate) fn delimited(event: &Event, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    libfaas::encode_event(event, encoding, &mut bytes);
    bytes
}

/// The data of an event, as binary mode writes it.
pub(crate) fn data(event: &Value) -> Vec<u8> {
    match (event.get("data"), event.get("data_base64")) {
        (Some(Value::String(text)), _) => text.clone().into_bytes(),
        (Some(value), _) => value.to_string().into_bytes(),
        (None, Some(Value::String(text))) => data_encoding::BASE64
            .decode(text.as_bytes())
            .unwrap_or_else(|e| unusable(&format!("{text:?}: {e}"))),
        _ => Vec::new(),
    }
}

/// A message as it is told: in JSON, of data only the size.
pub(crate) fn told(message: &Message) -> Value {
    let brief = Message {
        event: message.event.as_ref().map(without_data),
        chunk: None,
        ..message.clone()
    };
    let mut bytes = Vec::new();
    libfaas::encode_message(&brief, Encoding::Json, &mut bytes);
    let mut told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    told["call"] = message.call.into();
    if let Some(data) = message.event.as_ref().and_then(Event::data) {
        told["size"] = data.as_bytes().len().into();
    }
    if let Some(chunk) = &message.chunk {
        told["chunk"] = chunk.len().into();
    }
    told
}

/// An event as it is told.
pub(crate) fn told_event(event: &Event) -> Value {
    let mut told: Value = serde_json::from_str(&without_data(event).to_json()).unwrap_or_default();
    told["size"] = event.data().map_or(0, |data| data.as_bytes().len()).into();
    told
}

fn without_data(event: &Event) -> Event {
    let mut brief = Event::builder(event.id(), event.source(), event.ty());
    if let Some(subject) = event.subject() {
        brief = brief.subject(subject);
    }
    brief.build().expect("its attributes were valid before")
}
