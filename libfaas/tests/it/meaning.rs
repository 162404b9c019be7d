//! What an event and a message mean, as the vectors write it; and what of it an encoding carries.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use libfaas::{
    AttributeValue, Context, Data, Encoding, Event, JsonText, Message, Received, Status, Timestamp,
};

/// An object under construction, as JSON text: numbers of data keep their digits.
#[derive(Default)]
struct Object(Vec<String>);

impl Object {
    fn raw(&mut self, name: &str, json: impl std::fmt::Display) {
        self.0.push(format!("{}:{json}", quoted(name)));
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.raw(name, quoted(text));
        }
    }

    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if !map.is_empty() {
            let members = map
                .iter()
                .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)));
            self.raw(
                name,
                format!("{{{}}}", members.collect::<Vec<_>>().join(",")),
            );
        }
    }

    fn done(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn one(name: &str, json: impl std::fmt::Display) -> String {
    format!("{{{}:{json}}}", quoted(name))
}

pub(crate) fn event(event: &Event) -> JsonText {
    JsonText::new(event_text(event)).unwrap()
}

fn event_text(event: &Event) -> String {
    let mut object = Object::default();
    object.text("id", event.id());
    object.text("source", event.source());
    object.text("type", event.ty());
    let mut attributes = Object::default();
    for (name, value) in event.attributes() {
        attributes.raw(name, attribute(value));
    }
    object.raw("attributes", attributes.done());
    if let Some(data) = event.data() {
        let base64 = |bytes: &[u8]| quoted(&BASE64.encode(bytes));
        object.raw(
            "data",
            match data {
                Data::Binary(bytes) => one("binary", base64(bytes)),
                Data::Text(text) => one("text", quoted(text)),
                Data::Json(json) => one("json", json.as_str()),
                Data::Proto { type_url, value } => one(
                    "proto",
                    format!(
                        r#"{{"typeUrl":{},"value":{}}}"#,
                        quoted(type_url),
                        base64(value)
                    ),
                ),
            },
        );
    }
    object.done()
}

fn attribute(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Boolean(value) => one("boolean", value),
        AttributeValue::Integer(value) => one("integer", value),
        AttributeValue::String(text) => one("string", quoted(text)),
        AttributeValue::Binary(_) => one("binary", quoted(&value.to_string())),
        AttributeValue::Uri(text) => one("uri", quoted(text)),
        AttributeValue::UriRef(text) => one("uriRef", quoted(text)),
        AttributeValue::Timestamp(time) => {
            let utc = Timestamp::from_unix(time.seconds(), time.nanos()).unwrap();
            one("timestamp", quoted(&utc.to_string()))
        }
    }
}

pub(crate) fn received(received: &Received) -> JsonText {
    let mut object = fields(&received.message);
    if let Some(fault) = &received.invalid_event {
        object.text("invalid", fault.rule());
    }
    JsonText::new(object.done()).unwrap()
}

pub(crate) fn message(message: &Message) -> JsonText {
    JsonText::new(fields(message).done()).unwrap()
}

fn fields(message: &Message) -> Object {
    let mut object = Object::default();
    object.raw("call", message.call);
    if let Some(context) = &message.context {
        object.raw("context", context_text(context));
    }
    if let Some(event) = &message.event {
        object.raw("event", event_text(event));
    }
    if let Some(chunk) = &message.chunk {
        object.raw("chunk", quoted(&BASE64.encode(chunk)));
    }
    if message.more {
        object.raw("more", true);
    }
    if let Some(end) = &message.end {
        object.raw("end", status(end));
    }
    if let Some(cancel) = &message.cancel {
        let mut inner = Object::default();
        inner.text("reason", &cancel.reason);
        object.raw("cancel", inner.done());
    }
    if let Some(hello) = &message.hello {
        let mut inner = Object::default();
        inner.text("fsi", &hello.fsi);
        inner.text("producer", &hello.producer);
        if hello.status != Status::ok() {
            inner.raw("status", status(&hello.status));
        }
        object.raw("hello", inner.done());
    }
    object
}

fn context_text(context: &Context) -> String {
    let mut object = Object::default();
    object.text("invocationId", &context.invocation_id);
    if context.attempt != 0 {
        object.raw("attempt", context.attempt);
    }
    if let Some(deadline) = context.deadline_ms {
        object.raw("deadlineMs", deadline);
    }
    object.text("traceparent", &context.traceparent);
    object.text("tracestate", &context.tracestate);
    object.text("baggage", &context.baggage);
    object.map("extra", &context.extra);
    object.done()
}

fn status(status: &Status) -> String {
    let mut object = Object::default();
    object.text("code", status.code.name());
    object.text("message", &status.message);
    object.map("details", &status.details);
    object.done()
}

/// The event as a reader of the encoding sees it, after the specification's table of conversions.
pub(crate) fn as_carried(event: &Event, encoding: Encoding) -> Event {
    let mut builder = event.to_builder();
    let untyped = event.datacontenttype().is_none();
    if encoding != Encoding::Json {
        return match event.data() {
            Some(Data::Json(_)) if untyped => {
                builder.datacontenttype("application/json").build().unwrap()
            }
            _ => event.clone(),
        };
    }
    for (name, value) in event.attributes() {
        let named = matches!(name, "time" | "dataschema");
        let text = match value {
            AttributeValue::Boolean(_) | AttributeValue::Integer(_) => continue,
            _ if named => continue,
            other => other.to_string(),
        };
        builder = builder.attribute(name, AttributeValue::String(text.into()));
    }
    match event.data() {
        Some(Data::Text(_)) if untyped => builder
            .datacontenttype("text/plain; charset=utf-8")
            .build()
            .unwrap(),
        Some(Data::Proto { type_url, value }) => {
            builder = builder.data(value.clone());
            let as_schema = builder.clone().dataschema(type_url).build();
            match as_schema {
                Ok(with_schema) if event.dataschema().is_none() => with_schema,
                _ => builder.build().unwrap(),
            }
        }
        _ => builder.build().unwrap(),
    }
}
