//! Events and messages in Protobuf.

use std::collections::BTreeMap;

use crate::{AttributeValue, Context, Data, Event, Message, Status};

/// Appends a `CloudEvent`, delimited by its length if asked for.
pub(in crate::encoding) fn event(event: &Event, delimited: bool, out: &mut Vec<u8>) {
    document(delimited, out, |out| write_event(event, out));
}

/// Appends a `Message`, delimited by its length if asked for.
pub(in crate::encoding) fn message(message: &Message, out: &mut Vec<u8>) {
    document(true, out, |out| write_message(message, out));
}

fn document(delimited: bool, out: &mut dyn Sink, write: impl Fn(&mut dyn Sink)) {
    if delimited {
        out.varint(length(&write));
    }
    write(out);
}

/// Where bytes go: to a buffer, or nowhere when only their number is asked for. A message is
/// written twice, first to learn its length, so that nothing is moved to make room for it.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Count(usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

fn length(write: impl Fn(&mut dyn Sink)) -> u64 {
    let mut count = Count(0);
    write(&mut count);
    count.0 as u64
}

/// Fields; values that are Protobuf's defaults are left out by the caller.
impl dyn Sink + '_ {
    pub(super) fn varint(&mut self, mut number: u64) {
        let mut buffer = [0; 10];
        let mut at = 0;
        while number >= 0x80 {
            buffer[at] = number as u8 | 0x80;
            number >>= 7;
            at += 1;
        }
        buffer[at] = number as u8;
        self.put(&buffer[..=at]);
    }

    fn number(&mut self, field: u32, number: u64) {
        self.varint(u64::from(field << 3));
        self.varint(number);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.put(bytes);
    }

    /// Empty text is an absent field.
    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn nested(&mut self, field: u32, write: impl Fn(&mut dyn Sink)) {
        self.varint(u64::from(field << 3 | 2));
        self.varint(length(&write));
        write(self);
    }
}

fn write_message(message: &Message, out: &mut dyn Sink) {
    if message.call != 0 {
        out.number(1, message.call);
    }
    if let Some(context) = &message.context {
        out.nested(2, |out| write_context(context, out));
    }
    if let Some(event) = &message.event {
        out.nested(3, |out| write_event(event, out));
    }
    if let Some(chunk) = &message.chunk {
        out.bytes(4, chunk);
    }
    if message.more {
        out.number(5, 1);
    }
    if let Some(end) = &message.end {
        out.nested(6, |out| write_status(end, out));
    }
    if let Some(cancel) = &message.cancel {
        out.nested(7, |out| out.text(1, &cancel.reason));
    }
    if let Some(hello) = &message.hello {
        out.nested(31, |out| {
            out.text(1, &hello.fsi);
            out.text(2, &hello.producer);
            if hello.status != Status::ok() {
                out.nested(3, |out| write_status(&hello.status, out));
            }
        });
    }
}

fn write_event(event: &Event, out: &mut dyn Sink) {
    out.text(1, event.id());
    out.text(2, event.source());
    out.text(3, "1.0");
    out.text(4, event.ty());
    for (name, value) in event.attributes() {
        write_attribute(name, value, out);
    }
    match event.data() {
        None => {}
        Some(Data::Binary(bytes)) => out.bytes(6, bytes),
        Some(Data::Text(text)) => out.bytes(7, text.as_bytes()),
        Some(Data::Json(json)) => {
            if event.datacontenttype().is_none() {
                let implied = AttributeValue::String("application/json".to_owned());
                write_attribute("datacontenttype", &implied, out);
            }
            out.bytes(7, json.as_str().as_bytes());
        }
        Some(Data::Proto { type_url, value }) => out.nested(8, |out| {
            out.text(1, type_url);
            if !value.is_empty() {
                out.bytes(2, value);
            }
        }),
    }
}

/// An entry of the map `attributes`.
pub(super) fn write_attribute(name: &str, value: &AttributeValue, out: &mut dyn Sink) {
    out.nested(5, |out| {
        out.text(1, name);
        out.nested(2, |out| match value {
            AttributeValue::Boolean(value) => out.number(1, u64::from(*value)),
            // Negative numbers are sign-extended to ten bytes.
            AttributeValue::Integer(value) => out.number(2, i64::from(*value) as u64),
            AttributeValue::String(text) => out.bytes(3, text.as_bytes()),
            AttributeValue::Binary(bytes) => out.bytes(4, bytes),
            AttributeValue::Uri(text) => out.bytes(5, text.as_bytes()),
            AttributeValue::UriRef(text) => out.bytes(6, text.as_bytes()),
            AttributeValue::Timestamp(time) => out.nested(7, |out| {
                if time.seconds() != 0 {
                    out.number(1, time.seconds() as u64);
                }
                if time.nanos() != 0 {
                    out.number(2, u64::from(time.nanos()));
                }
            }),
        });
    });
}

fn write_context(context: &Context, out: &mut dyn Sink) {
    out.text(1, &context.invocation_id);
    if context.attempt != 0 {
        out.number(2, u64::from(context.attempt));
    }
    if let Some(deadline) = context.deadline_ms {
        out.number(3, deadline as u64);
    }
    out.text(4, &context.traceparent);
    out.text(5, &context.tracestate);
    out.text(6, &context.baggage);
    write_map(7, &context.extra, out);
}

fn write_status(status: &Status, out: &mut dyn Sink) {
    if !status.is_ok() {
        out.number(1, u64::from(status.code.number()));
    }
    out.text(2, &status.message);
    write_map(3, &status.details, out);
}

fn write_map(field: u32, map: &BTreeMap<String, String>, out: &mut dyn Sink) {
    for (key, value) in map {
        out.nested(field, |out| {
            out.text(1, key);
            out.text(2, value);
        });
    }
}
