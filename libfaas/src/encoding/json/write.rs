//! Events and messages as JSON on one line.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use fluent_uri::Uri;

use super::scan;
use crate::event::is_json;
use crate::{AttributeValue, Context, Data, Event, Message, Status};

/// Levels of a document that receivers must take.
const DEPTH: usize = 128;

/// Appends an event document without a line feed.
pub(in crate::encoding) fn event(event: &Event, out: &mut Vec<u8>) {
    write_event(event, false, 1, out);
}

/// Appends a message without a line feed.
pub(in crate::encoding) fn message(message: &Message, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.raw("call", &message.call.to_string());
    if let Some(context) = &message.context {
        write_context(context, object.member("context"));
    }
    if let Some(event) = &message.event {
        write_event(event, message.more, 2, object.member("event"));
    }
    if let Some(chunk) = &message.chunk {
        object.base64("chunk", chunk);
    }
    if message.more {
        object.raw("more", "true");
    }
    if let Some(end) = &message.end {
        write_status(end, object.member("end"));
    }
    if let Some(cancel) = &message.cancel {
        let mut inner = Object::open(object.member("cancel"));
        inner.text("reason", &cancel.reason);
        inner.close();
    }
    if let Some(hello) = &message.hello {
        let mut inner = Object::open(object.member("hello"));
        inner.text("fsi", &hello.fsi);
        inner.text("producer", &hello.producer);
        if hello.status != Status::ok() {
            write_status(&hello.status, inner.member("status"));
        }
        inner.close();
    }
    object.close();
}

/// `level` is the depth of the event's own object in its document.
fn write_event(event: &Event, more: bool, level: usize, out: &mut Vec<u8>) {
    // Nearly always enough, so that large data is not moved again.
    out.reserve(event.data().map_or(0, |data| data.as_bytes().len()) + 512);
    let mut object = Object::open(out);
    object.text("specversion", "1.0");
    object.text("id", event.id());
    object.text("source", event.source());
    object.text("type", event.ty());
    for (name, value) in event.attributes() {
        match value {
            AttributeValue::Boolean(_) | AttributeValue::Integer(_) => {
                object.raw(name, &value.to_string())
            }
            AttributeValue::Binary(bytes) => object.base64(name, bytes),
            AttributeValue::String(text)
            | AttributeValue::Uri(text)
            | AttributeValue::UriRef(text) => string(text, object.member(name)),
            AttributeValue::Timestamp(time) => string(&time.to_string(), object.member(name)),
        }
    }
    match event.data() {
        None => {}
        Some(Data::Binary(bytes)) => object.base64("data_base64", bytes),
        // Half a JSON value is no JSON value, so it travels as bytes.
        Some(Data::Text(text)) if more && event.datacontenttype().is_some_and(is_json) => {
            object.base64("data_base64", text.as_bytes());
        }
        Some(Data::Text(text)) => {
            // Without a content type a string would be read as JSON data.
            if event.datacontenttype().is_none() {
                object.text("datacontenttype", "text/plain; charset=utf-8");
            }
            string(text, object.member("data"));
        }
        // Deeper than any receiver has to take: what can't be shown as a value stays bytes.
        Some(Data::Json(json)) if json.levels() + level > DEPTH => {
            if event.datacontenttype().is_none() {
                object.text("datacontenttype", "application/json");
            }
            object.base64("data_base64", json.as_str().as_bytes());
        }
        // A line feed can only be white space between tokens here.
        Some(Data::Json(json)) => one_line(json.as_str(), object.member("data")),
        Some(Data::Proto { type_url, value }) => {
            if event.dataschema().is_none() && Uri::parse(type_url.as_str()).is_ok() {
                object.text("dataschema", type_url);
            }
            object.base64("data_base64", value);
        }
    }
    object.close();
}

fn write_context(context: &Context, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("invocationId", &context.invocation_id);
    if context.attempt > 0 {
        object.raw("attempt", &context.attempt.to_string());
    }
    if let Some(deadline) = context.deadline_ms {
        object.raw("deadlineMs", &deadline.to_string());
    }
    object.text("traceparent", &context.traceparent);
    object.text("tracestate", &context.tracestate);
    object.text("baggage", &context.baggage);
    object.strings("extra", &context.extra);
    object.close();
}

fn write_status(status: &Status, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    if !status.is_ok() {
        object.text("code", status.code.name());
    }
    object.text("message", &status.message);
    object.strings("details", &status.details);
    object.close();
}

/// An object under construction.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, empty: true }
    }

    fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the name; the value is to be written next.
    fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.member(name).extend_from_slice(json.as_bytes());
    }

    /// Empty text is an absent member.
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            string(text, self.member(name));
        }
    }

    fn strings(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if map.is_empty() {
            return;
        }
        let mut object = Object::open(self.member(name));
        for (name, value) in map {
            string(value, object.member(name));
        }
        object.close();
    }

    fn base64(&mut self, name: &str, bytes: &[u8]) {
        let out = self.member(name);
        out.push(b'"');
        let start = out.len();
        out.resize(start + BASE64.encode_len(bytes.len()), 0);
        BASE64.encode_mut(bytes, &mut out[start..]);
        out.push(b'"');
    }
}

/// JSON text in which line feeds have become spaces.
fn one_line(json: &str, out: &mut Vec<u8>) {
    let bytes = json.as_bytes();
    let mut start = 0;
    for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        out.extend_from_slice(&bytes[start..at]);
        out.push(b' ');
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

/// A string with the escapes that it must have, and no others.
fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut start = 0;
    loop {
        let at = scan::plain(bytes, start);
        out.extend_from_slice(&bytes[start..at]);
        let Some(&byte) = bytes.get(at) else {
            break;
        };
        let letter = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0C => b'f',
            b'\r' => b'r',
            _ => {
                let hex = |digit: u8| char::from_digit(digit.into(), 16).map_or(b'0', |c| c as u8);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                start = at + 1;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
        start = at + 1;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_serde_json() {
        let all: String = (0..=0x100).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "a\\b", "caf\u{e9} \u{1F600}", &all] {
            let mut out = Vec::new();
            string(text, &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                serde_json::to_string(text).unwrap()
            );
        }
    }

    #[test]
    fn data_stands_on_one_line() {
        let mut out = Vec::new();
        one_line("{\n \"a\":\r\n1\n}", &mut out);
        assert_eq!(out, b"{  \"a\":  1 }");
    }
}
