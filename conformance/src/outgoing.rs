//! What the suite says: a case's JSON with its placeholders filled in, in the encoding under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use libfaas::{Data, Encoding, Event, Limits, MessageDecoder};
use serde_json::{Map, Value};

use crate::event::Events;
use crate::incoming::event_json;
use crate::step::RawBytes;

/// The values that a case's placeholders stand for.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    /// The events of the run.
    pub events: &'a Events,
    /// `$n`, the round of the innermost `repeat`.
    pub n: u64,
    /// What else a case can name: `$NAME` as a whole string, or a sum: `$start+drain-ms+500`.
    pub facts: Arc<BTreeMap<String, Value>>,
}

/// Bytes, and what they say in JSON.
#[derive(Debug)]
pub struct Encoded {
    /// In the encoding under test, with its framing.
    pub bytes: Vec<u8>,
    /// For the transcript.
    pub text: String,
}

impl Values<'_> {
    /// The event that a value stands for, if it is a placeholder for one.
    pub fn event(&self, value: &Value) -> Result<Option<Event>, String> {
        match value {
            Value::String(name) => Ok(self.events.named(name)),
            Value::Object(spec) if spec.contains_key("$probe") => match self.fill(value) {
                Value::Object(spec) => self.events.probe(&spec).map(Some),
                _ => unreachable!("an object stays one"),
            },
            Value::Object(spec) if spec.contains_key("$recorder") => match self.fill(value) {
                Value::Object(spec) => self.events.recorder(&spec).map(Some),
                _ => unreachable!("an object stays one"),
            },
            _ => Ok(None),
        }
    }

    /// The value with `$n`, `$context` and `$bytes:N` filled in. Events are left alone.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(s) if s == "$n" => self.n.into(),
            Value::String(s) if s == "$context" => self.events.context(),
            Value::String(s) if s.starts_with("$bytes:") => {
                let count = s["$bytes:".len()..].parse().unwrap_or(0);
                data_encoding::BASE64.encode(&vec![b'x'; count]).into()
            }
            Value::String(s) if s.starts_with("$text:") => {
                "x".repeat(s["$text:".len()..].parse().unwrap_or(0)).into()
            }
            Value::String(s) if self.fact(s).is_some() => self.fact(s).unwrap_or_default(),
            Value::String(s) => s.replace("$n", &self.n.to_string()).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| (key.clone(), self.fill(value)))
                .collect::<Map<_, _>>()
                .into(),
            _ => value.clone(),
        }
    }

    /// What a string like `$start+1500` or `$folder` stands for.
    fn fact(&self, text: &str) -> Option<Value> {
        let name = text.strip_prefix('$')?;
        if let Some(value) = self.facts.get(name) {
            return Some(value.clone());
        }
        if let Some((folder, rest)) = name.split_once('/') {
            let folder = self.facts.get(folder)?.as_str()?;
            return Some(format!("{folder}/{rest}").into());
        }
        let mut terms = name.split('+');
        let mut sum = match terms.next()? {
            "n" => self.n as i64,
            first => self.facts.get(first)?.as_i64()?,
        };
        for term in terms {
            sum += match self.facts.get(term) {
                Some(value) => value.as_i64()?,
                None => term.parse().ok()?,
            };
        }
        Some(sum.into())
    }

    /// A message of stream mode.
    pub fn message(&self, template: &Value, encoding: Encoding) -> Result<Encoded, String> {
        let event = template
            .get("event")
            .map(|event| self.event(event))
            .transpose()?
            .flatten();
        if let (None, Some(Value::String(name))) = (&event, template.get("event")) {
            return Err(format!("there is no event `{name}`"));
        }
        let mut value = template.clone();
        if event.is_some() {
            value
                .as_object_mut()
                .expect("it has a member")
                .remove("event");
        }
        let mut value = self.fill(&value);
        if encoding != Encoding::Json {
            let mut message = self.decode(&value)?;
            let mut bytes = Vec::new();
            message.event = event.or(message.event);
            libfaas::encode_message(&message, encoding, &mut bytes);
            return Ok(Encoded {
                bytes,
                text: crate::incoming::message_json(&message),
            });
        }
        if event.is_some() {
            value["event"] = PLACE.into();
        }
        // In the specification's order of fields, whatever order the case has.
        let mut text = ordered(&value);
        if let Some(event) = event {
            // As text: a `Value` would lose digits of its numbers.
            text = text.replace(&Value::from(PLACE).to_string(), &event_text(&event));
        }
        let label = text.clone();
        text.push('\n');
        Ok(Encoded {
            bytes: text.into_bytes(),
            text: label,
        })
    }

    /// An event document of structured mode.
    pub fn document(&self, template: &Value, encoding: Encoding) -> Result<Encoded, String> {
        let mut bytes = Vec::new();
        let text = match (self.event(template)?, encoding) {
            (Some(event), _) => {
                libfaas::encode_event(&event, encoding, &mut bytes);
                event_json(&event).to_string()
            }
            (None, Encoding::Json) if template.is_object() => {
                let text = self.fill(template).to_string();
                bytes = format!("{text}\n").into_bytes();
                text
            }
            (None, _) => {
                let event = self.literal_event(template)?;
                libfaas::encode_event(&event, encoding, &mut bytes);
                event_json(&event).to_string()
            }
        };
        Ok(Encoded { bytes, text })
    }

    /// The event of a template, whether placeholder or literal.
    pub fn any_event(&self, template: &Value) -> Result<Event, String> {
        match self.event(template)? {
            Some(event) => Ok(event),
            None => self.literal_event(template),
        }
    }

    fn literal_event(&self, template: &Value) -> Result<Event, String> {
        let message =
            self.decode(&serde_json::json!({ "call": 1, "event": self.fill(template) }))?;
        message
            .event
            .ok_or_else(|| format!("{template} is no valid event"))
    }

    fn decode(&self, value: &Value) -> Result<libfaas::Message, String> {
        let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
        if value.get("hello").is_none() {
            decoder.push(b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n");
            decoder.next().map_err(|e| e.to_string())?;
        }
        decoder.push(format!("{value}\n").as_bytes());
        let received = decoder
            .next()
            .map_err(|e| format!("{value} can only be sent with `raw`: {e}"))?;
        received
            .map(|r| r.message)
            .ok_or_else(|| format!("{value} is no message"))
    }
}

/// Where an event is put into the text of a message.
const PLACE: &str = "$event";

fn event_text(event: &Event) -> String {
    let mut bytes = Vec::new();
    libfaas::encode_event(event, Encoding::Json, &mut bytes);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The bytes of the verb `raw` for an encoding; `None` if the case has none for it.
pub fn raw(bytes: &RawBytes, encoding: Encoding) -> Option<Result<Vec<u8>, String>> {
    let text = |text: &String| Ok(text.clone().into_bytes());
    let hex = |digits: &String| {
        let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .map_err(|e| format!("{digits:?} are no hexadecimal digits: {e}"))
    };
    let own = match encoding {
        Encoding::Json => bytes.json.as_ref().map(text),
        Encoding::Protobuf => bytes.protobuf.as_ref().map(hex),
        Encoding::Capnp => bytes.capnp.as_ref().map(hex),
    };
    own.or_else(|| bytes.text.as_ref().map(text))
        .or_else(|| bytes.hex.as_ref().map(hex))
}

/// The event as a reader of this encoding sees it.
pub fn through(event: &Event, encoding: Encoding) -> Result<Event, String> {
    let mut bytes = Vec::new();
    libfaas::encode_event(event, encoding, &mut bytes);
    let mut decoder = libfaas::EventDecoder::new(encoding, Limits::default());
    decoder.push(&bytes);
    decoder.finish();
    decoder
        .next()
        .map_err(|e| e.to_string())?
        .ok_or_else(|| "an event that encodes to nothing".to_owned())
}

/// An event's data as binary mode writes it to stdin.
pub fn data(event: &Event) -> Vec<u8> {
    event
        .data()
        .map(|d: &Data| d.as_bytes().to_vec())
        .unwrap_or_default()
}

/// An event's attributes as binary mode writes them into the environment.
pub fn attributes(event: &Event) -> Vec<(String, String)> {
    let Value::Object(members) = event_json(event) else {
        return Vec::new();
    };
    let text = |value: Value| match value {
        Value::String(s) => s,
        other => other.to_string(),
    };
    members
        .into_iter()
        .filter(|(name, _)| name != "data" && name != "data_base64")
        .map(|(name, value)| (format!("CE_{}", name.to_uppercase()), text(value)))
        .collect()
}

fn ordered(message: &Value) -> String {
    const FIELDS: &[&str] = &[
        "call", "context", "event", "chunk", "more", "end", "cancel", "hello",
    ];
    let Value::Object(members) = message else {
        return message.to_string();
    };
    let known = FIELDS
        .iter()
        .filter_map(|name| members.get_key_value(*name));
    let others = members
        .iter()
        .filter(|(name, _)| !FIELDS.contains(&name.as_str()));
    let members: Vec<String> = known
        .chain(others)
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}
