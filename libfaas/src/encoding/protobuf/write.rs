//! Events and messages in Protobuf.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{AttributeValue, Cancel, Context, Data, Event, Hello, Message, Status};

/// Appends a `CloudEvent`, delimited by its length if asked for.
pub(in crate::encoding) fn event(event: &Event, delimited: bool, out: &mut Vec<u8>) {
    document(event, delimited, out);
}

/// Appends a `Message`, delimited by its length.
pub(in crate::encoding) fn message(message: &Message, out: &mut Vec<u8>) {
    document(message, true, out);
}

/// An entry of the map `attributes`.
pub(super) fn write_attribute(name: &str, value: &AttributeValue, out: &mut Vec<u8>) {
    out.nested(5, &Attribute(name, value));
}

/// The same, but for large data: it is left out, and comes back with the place that it belongs to.
pub(in crate::encoding) fn message_sharing(
    message: &Message,
    out: &mut Vec<u8>,
) -> Option<(usize, Bytes)> {
    let length = Count::of(message);
    if length < SHARED {
        out.reserve(length + varint_length(u64::MAX));
    }
    out.varint(length as u64);
    let mut sharing = Sharing { out, shared: None };
    message.write(&mut sharing);
    sharing.shared
}

fn document(part: &impl Part, delimited: bool, out: &mut Vec<u8>) {
    let length = Count::of(part);
    out.reserve(length + varint_length(u64::MAX));
    if delimited {
        out.varint(length as u64);
    }
    part.write(out);
}

/// What is written field by field. Values that are Protobuf's defaults are left out.
trait Part {
    fn write(&self, out: &mut impl Sink);
}

/// Where bytes go: to a buffer, or nowhere when only their number is asked for, since a length
/// stands before what it is the length of and nothing is to be moved to make room for it.
trait Sink: Sized {
    fn put(&mut self, bytes: &[u8]);

    fn varint(&mut self, number: u64);

    /// The length and the content of what is nested.
    fn delimited(&mut self, part: &impl Part);

    fn number(&mut self, field: u32, number: u64) {
        self.varint(u64::from(field << 3));
        self.varint(number);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.put(bytes);
    }

    /// Data that may be large.
    fn data(&mut self, field: u32, bytes: &Bytes) {
        self.bytes(field, bytes);
    }

    /// Empty text is an absent field.
    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn nested(&mut self, field: u32, part: &impl Part) {
        self.varint(u64::from(field << 3 | 2));
        self.delimited(part);
    }

    fn map(&mut self, field: u32, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.nested(field, &Entry(key, value));
        }
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    fn delimited(&mut self, part: &impl Part) {
        self.varint(Count::of(part) as u64);
        part.write(self);
    }
}

/// A buffer, and what is large beside it.
struct Sharing<'a> {
    out: &'a mut Vec<u8>,
    shared: Option<(usize, Bytes)>,
}

/// From here on a second slice in a vectored write costs less than a copy.
const SHARED: usize = 16 << 10;

impl Sink for Sharing<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    fn varint(&mut self, number: u64) {
        self.out.varint(number);
    }

    fn delimited(&mut self, part: &impl Part) {
        self.varint(Count::of(part) as u64);
        part.write(self);
    }

    fn data(&mut self, field: u32, bytes: &Bytes) {
        if bytes.len() < SHARED || self.shared.is_some() {
            return self.bytes(field, bytes);
        }
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.shared = Some((self.out.len(), bytes.clone()));
    }
}

struct Count(usize);

impl Count {
    fn of(part: &impl Part) -> usize {
        let mut count = Count(0);
        part.write(&mut count);
        count.0
    }
}

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    #[inline]
    fn varint(&mut self, number: u64) {
        self.0 += varint_length(number);
    }

    fn delimited(&mut self, part: &impl Part) {
        let before = std::mem::take(&mut self.0);
        part.write(self);
        self.0 += before + varint_length(self.0 as u64);
    }
}

/// Seven bits a byte, and one byte for 0.
const fn varint_length(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

impl Part for Message {
    fn write(&self, out: &mut impl Sink) {
        if self.call != 0 {
            out.number(1, self.call);
        }
        if let Some(context) = &self.context {
            out.nested(2, context);
        }
        if let Some(event) = &self.event {
            out.nested(3, event);
        }
        if let Some(chunk) = &self.chunk {
            out.data(4, chunk);
        }
        if self.more {
            out.number(5, 1);
        }
        if let Some(end) = &self.end {
            out.nested(6, end);
        }
        if let Some(cancel) = &self.cancel {
            out.nested(7, cancel);
        }
        if let Some(hello) = &self.hello {
            out.nested(31, hello);
        }
    }
}

impl Part for Event {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, self.id());
        out.text(2, self.source());
        out.text(3, "1.0");
        out.text(4, self.ty());
        for (name, value) in self.attributes() {
            out.nested(5, &Attribute(name, value));
        }
        match self.data() {
            None => {}
            Some(Data::Binary(bytes)) => out.data(6, bytes),
            Some(Data::Text(text)) => out.bytes(7, text.as_bytes()),
            Some(Data::Json(json)) => {
                if self.datacontenttype().is_none() {
                    out.nested(5, &ImpliedJson);
                }
                out.bytes(7, json.as_str().as_bytes());
            }
            Some(Data::Proto { type_url, value }) => out.nested(8, &Any { type_url, value }),
        }
    }
}

/// An entry of the map `attributes`.
struct Attribute<'a>(&'a str, &'a AttributeValue);

impl Part for Attribute<'_> {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, self.0);
        out.nested(2, self.1);
    }
}

/// `datacontenttype` where JSON data has none: what is implied in JSON isn't here.
struct ImpliedJson;

impl Part for ImpliedJson {
    fn write(&self, out: &mut impl Sink) {
        struct Value;
        impl Part for Value {
            fn write(&self, out: &mut impl Sink) {
                out.text(3, "application/json");
            }
        }
        out.text(1, "datacontenttype");
        out.nested(2, &Value);
    }
}

impl Part for AttributeValue {
    fn write(&self, out: &mut impl Sink) {
        match self {
            AttributeValue::Boolean(value) => out.number(1, u64::from(*value)),
            // Negative numbers are sign-extended to ten bytes.
            AttributeValue::Integer(value) => out.number(2, i64::from(*value) as u64),
            AttributeValue::String(text) => out.bytes(3, text.as_bytes()),
            AttributeValue::Binary(bytes) => out.bytes(4, bytes),
            AttributeValue::Uri(text) => out.bytes(5, text.as_bytes()),
            AttributeValue::UriRef(text) => out.bytes(6, text.as_bytes()),
            AttributeValue::Timestamp(time) => out.nested(7, time),
        }
    }
}

impl Part for crate::Timestamp {
    fn write(&self, out: &mut impl Sink) {
        if self.seconds() != 0 {
            out.number(1, self.seconds() as u64);
        }
        if self.nanos() != 0 {
            out.number(2, u64::from(self.nanos()));
        }
    }
}

struct Any<'a> {
    type_url: &'a str,
    value: &'a [u8],
}

impl Part for Any<'_> {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, self.type_url);
        if !self.value.is_empty() {
            out.bytes(2, self.value);
        }
    }
}

impl Part for Context {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.invocation_id);
        if self.attempt != 0 {
            out.number(2, u64::from(self.attempt));
        }
        if let Some(deadline) = self.deadline_ms {
            out.number(3, deadline as u64);
        }
        out.text(4, &self.traceparent);
        out.text(5, &self.tracestate);
        out.text(6, &self.baggage);
        out.map(7, &self.extra);
    }
}

impl Part for Status {
    fn write(&self, out: &mut impl Sink) {
        if !self.is_ok() {
            out.number(1, u64::from(self.code.number()));
        }
        out.text(2, &self.message);
        out.map(3, &self.details);
    }
}

impl Part for Cancel {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.reason);
    }
}

impl Part for Hello {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.fsi);
        out.text(2, &self.producer);
        if self.status != Status::ok() {
            out.nested(3, &self.status);
        }
    }
}

/// An entry of a map from text to text.
struct Entry<'a>(&'a str, &'a str);

impl Part for Entry<'_> {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, self.0);
        out.text(2, self.1);
    }
}
