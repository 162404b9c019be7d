//! What bytes mean, as the typed JSON of schemas/vectors/README.md: made from libfaas's types, and
//! turned into them.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::BASE64;
use libfaas::{
    AttributeValue, Cancel, Code, Context, Data, Encoding, Event, EventDecoder, Hello, JsonText,
    Limits, Message, MessageDecoder, Status, Timestamp, Violation,
};
use serde_json::{Map, Value, json};

use crate::incoming::message_json;

/// What the bytes of a vector say, by its shape: `event`, `message`, `events` or `messages`.
pub fn read(shape: &str, encoding: Encoding, bytes: Vec<u8>) -> Result<Value, Violation> {
    match shape {
        "event" => Event::decode(bytes, encoding, &Limits::default()).map(|event| of_event(&event)),
        "events" => {
            let mut decoder = EventDecoder::new(encoding, Limits::default());
            decoder.push(&bytes);
            decoder.finish();
            let mut events = Vec::new();
            while let Some(event) = decoder.next()? {
                events.push(of_event(&event));
            }
            Ok(events.into())
        }
        "message" => read_message(encoding, bytes),
        _ => {
            let all = read_messages(encoding, &bytes)?;
            let meanings = all.iter().map(|(message, invalid)| {
                of_message(message, invalid.as_ref().map(Violation::rule))
            });
            Ok(meanings.collect())
        }
    }
}

/// A message without what came before it: it is read behind a hello, unless it is one.
fn read_message(encoding: Encoding, bytes: Vec<u8>) -> Result<Value, Violation> {
    let mut stream = Vec::new();
    if encoding == Encoding::Protobuf {
        put_length(bytes.len(), &mut stream);
    }
    stream.extend(bytes);
    let read = match read_messages(encoding, &stream) {
        Err(violation) if violation.rule() == "hello-missing" => {
            let hello = Some(Hello {
                fsi: "1.0".to_owned(),
                ..Hello::default()
            });
            let mut behind = Vec::new();
            libfaas::encode_message(
                &Message {
                    hello,
                    ..Message::default()
                },
                encoding,
                &mut behind,
            );
            behind.extend(stream);
            read_messages(encoding, &behind)?
        }
        alone => alone?,
    };
    match read.into_iter().last() {
        Some((_, Some(violation))) => Err(violation),
        Some((message, None)) => Ok(of_message(&message, None)),
        None => Ok(Value::Null),
    }
}

fn read_messages(
    encoding: Encoding,
    bytes: &[u8],
) -> Result<Vec<(Message, Option<Violation>)>, Violation> {
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    decoder.push(bytes);
    decoder.finish();
    let mut messages = Vec::new();
    while let Some(received) = decoder.next()? {
        messages.push((received.message, received.invalid_event));
    }
    Ok(messages)
}

/// Bytes that say it.
pub fn write(shape: &str, encoding: Encoding, meaning: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let several = meaning.as_array().into_iter().flatten();
    match shape {
        "event" => out = to_event(meaning)?.encode(encoding),
        "events" => {
            for event in several {
                libfaas::encode_event(&to_event(event)?, encoding, &mut out);
            }
        }
        "messages" => {
            for message in several {
                libfaas::encode_message(&to_message(message)?, encoding, &mut out);
            }
        }
        "message" => {
            libfaas::encode_message(&to_message(meaning)?, encoding, &mut out);
            match encoding {
                Encoding::Json => drop(out.pop()),
                Encoding::Protobuf => {
                    let length = out.iter().take_while(|b| **b >= 0x80).count() + 1;
                    out.drain(..length);
                }
                Encoding::Capnp => {}
            }
        }
        other => return Err(format!("there is no shape {other:?}")),
    }
    Ok(out)
}

/// Protobuf's delimiter.
fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// What an event says.
pub fn of_event(event: &Event) -> Value {
    let mut meaning = json!({"id": event.id(), "source": event.source(), "type": event.ty()});
    let attributes: Map<String, Value> = event
        .attributes()
        .map(|(name, value)| (name.to_owned(), of_attribute(value)))
        .collect();
    meaning["attributes"] = attributes.into();
    if let Some(data) = event.data() {
        meaning["data"] = match data {
            Data::Binary(bytes) => json!({ "binary": BASE64.encode(bytes) }),
            Data::Text(text) => json!({ "text": text.as_str() }),
            Data::Json(text) => {
                json!({ "json": serde_json::from_str::<Value>(text.as_str()).unwrap_or_default() })
            }
            Data::Proto { type_url, value } => {
                json!({ "proto": {"typeUrl": type_url, "value": BASE64.encode(value)} })
            }
        };
    }
    meaning
}

fn of_attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Boolean(value) => json!({ "boolean": value }),
        AttributeValue::Integer(value) => json!({ "integer": value }),
        AttributeValue::String(text) => json!({ "string": text.as_str() }),
        AttributeValue::Binary(_) => json!({ "binary": value.to_string() }),
        AttributeValue::Uri(text) => json!({ "uri": text.as_str() }),
        AttributeValue::UriRef(text) => json!({ "uriRef": text.as_str() }),
        AttributeValue::Timestamp(moment) => json!({ "timestamp": in_utc(moment) }),
    }
}

/// A moment without the zone and the trailing zeros that it was written with.
fn in_utc(moment: &Timestamp) -> String {
    Timestamp::from_unix(moment.seconds(), moment.nanos())
        .unwrap_or_else(|| moment.clone())
        .to_string()
}

/// What a message says. An invalid event is named by the rule that it breaks.
pub fn of_message(message: &Message, invalid: Option<&str>) -> Value {
    // Everything but the event is as in JSON.
    let rest = Message {
        event: None,
        ..message.clone()
    };
    let mut meaning: Value = serde_json::from_str(&message_json(&rest)).unwrap_or_default();
    meaning["call"] = message.call.into();
    if let Some(event) = &message.event {
        meaning["event"] = of_event(event);
    }
    if let Some(rule) = invalid {
        meaning["invalid"] = rule.into();
    }
    if let Some(status) = &message.end {
        meaning["end"]["code"] = status.code.name().into();
    }
    drop_empty(&mut meaning);
    meaning
}

/// Leaves out what says nothing: empty texts and maps below the message's own fields.
fn drop_empty(meaning: &mut Value) {
    let empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null => true,
        _ => false,
    };
    for field in ["context", "end", "cancel", "hello"] {
        if let Some(members) = meaning.get_mut(field).and_then(Value::as_object_mut) {
            members.retain(|name, value| !(empty(value) || name == "attempt" && value == 0));
        }
    }
    if let Some(message) = meaning.as_object_mut() {
        message.retain(|name, value| !(name == "more" && value == &Value::Bool(false)));
    }
    let hello = meaning.get_mut("hello").and_then(Value::as_object_mut);
    if let Some(status) = hello
        .and_then(|h| h.get_mut("status"))
        .and_then(Value::as_object_mut)
    {
        status.retain(|_, value| !empty(value));
    }
}

/// The event that a meaning describes.
pub fn to_event(meaning: &Value) -> Result<Event, String> {
    let mut event = Event::builder(
        text(meaning, "id")?,
        text(meaning, "source")?,
        text(meaning, "type")?,
    );
    for (name, value) in meaning["attributes"].as_object().into_iter().flatten() {
        event = event.attribute(name, to_attribute(value)?);
    }
    if let Some(data) = meaning.get("data") {
        let (kind, value) = only_member(data)?;
        event = event.data(match kind {
            "binary" => Data::Binary(base64(value)?),
            "text" => Data::Text(string(value)?.into()),
            "json" => Data::Json(JsonText::new(value.to_string()).map_err(|e| e.to_string())?),
            "proto" => Data::Proto {
                type_url: text(value, "typeUrl")?,
                value: base64(&value["value"])?,
            },
            _ => return Err(format!("there is no data of the kind {kind:?}")),
        });
    }
    event.build().map_err(|e| e.to_string())
}

fn to_attribute(value: &Value) -> Result<AttributeValue, String> {
    let (kind, value) = only_member(value)?;
    Ok(match kind {
        "boolean" => AttributeValue::Boolean(value.as_bool().ok_or("a boolean is true or false")?),
        "integer" => {
            let integer = value.as_i64().and_then(|n| i32::try_from(n).ok());
            AttributeValue::Integer(integer.ok_or("an integer has 32 bits")?)
        }
        "string" => AttributeValue::String(string(value)?.into()),
        "binary" => AttributeValue::Binary(base64(value)?),
        "uri" => AttributeValue::Uri(string(value)?.into()),
        "uriRef" => AttributeValue::UriRef(string(value)?.into()),
        "timestamp" => {
            let moment = string(value)?;
            AttributeValue::Timestamp(
                moment
                    .parse()
                    .map_err(|_| format!("{moment:?} is no timestamp"))?,
            )
        }
        _ => return Err(format!("there is no attribute type {kind:?}")),
    })
}

/// The message that a meaning describes.
pub fn to_message(meaning: &Value) -> Result<Message, String> {
    let context = |context: &Value| -> Result<Context, String> {
        Ok(Context {
            invocation_id: optional(context, "invocationId"),
            attempt: context["attempt"].as_u64().unwrap_or(0) as u32,
            deadline_ms: context["deadlineMs"].as_i64(),
            traceparent: optional(context, "traceparent"),
            tracestate: optional(context, "tracestate"),
            baggage: optional(context, "baggage"),
            extra: texts(&context["extra"]),
        })
    };
    let hello = |hello: &Value| Hello {
        fsi: optional(hello, "fsi"),
        producer: optional(hello, "producer"),
        status: to_status(&hello["status"]),
    };
    Ok(Message {
        call: meaning["call"].as_u64().ok_or("a message has a `call`")?,
        context: meaning.get("context").map(context).transpose()?,
        event: meaning.get("event").map(to_event).transpose()?,
        chunk: meaning.get("chunk").map(base64).transpose()?,
        more: meaning["more"] == true,
        end: meaning.get("end").map(to_status),
        cancel: meaning.get("cancel").map(|c| Cancel {
            reason: optional(c, "reason"),
        }),
        hello: meaning.get("hello").map(hello),
    })
}

fn to_status(status: &Value) -> Status {
    Status {
        code: status["code"].as_str().map_or(Code::Ok, Code::from_name),
        message: optional(status, "message"),
        details: texts(&status["details"]),
    }
}

/// Whether two meanings are the same: numbers by value, everything else as it stands.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn only_member(value: &Value) -> Result<(&str, &Value), String> {
    let members = value.as_object().filter(|m| m.len() == 1);
    let (name, value) = members
        .and_then(|m| m.iter().next())
        .ok_or_else(|| format!("expected an object whose one member names a type, got {value}"))?;
    Ok((name, value))
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    string(&value[name]).map_err(|e| format!("`{name}`: {e}"))
}

fn string(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("expected a string, got {value}"))
}

fn optional(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn base64(value: &Value) -> Result<Bytes, String> {
    let text = string(value)?;
    BASE64
        .decode(text.as_bytes())
        .map(Bytes::from)
        .map_err(|e| format!("{text:?} is no base64: {e}"))
}
