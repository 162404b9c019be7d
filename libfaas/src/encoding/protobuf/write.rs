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
    Writer::new(out).nested(5, &Attribute(name, value));
}

/// The same, but for large data: it is left out, and comes back with the place that it belongs to.
pub(in crate::encoding) fn message_sharing(
    message: &Message,
    out: &mut Vec<u8>,
) -> Option<(usize, Bytes)> {
    let size = message.size();
    out.reserve(size - message.large());
    let mut writer = Writer::new(out);
    writer.sharing = true;
    writer.delimited(size, message);
    writer.shared
}

fn document(part: &impl Part, delimited: bool, out: &mut Vec<u8>) {
    let size = part.size();
    out.reserve(size);
    let mut writer = Writer::new(out);
    if delimited {
        writer.delimited(size, part);
    } else {
        part.write(&mut writer);
    }
}

/// What is written field by field. Values that are Protobuf's defaults are left out.
trait Part {
    /// About how many bytes it becomes, rather too many than too few, with room for the length before
    /// them.
    fn size(&self) -> usize;

    fn write(&self, out: &mut Writer<'_>);
}

/// What a field takes beside its text, at most in nearly all events.
const FIELD: usize = 4;

/// A buffer, and what is large beside it.
///
/// A length stands before what it is the length of. So many bytes are left free for it as are
/// expected, and only where that was wrong what follows is moved: to count everything beforehand
/// would be as much work as to write it.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Whether large data may be left out.
    sharing: bool,
    shared: Option<(usize, Bytes)>,
}

/// From here on a second slice in a vectored write costs less than a copy.
const SHARED: usize = 16 << 10;

impl<'a> Writer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Writer {
            out,
            sharing: false,
            shared: None,
        }
    }

    #[inline]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    fn number(&mut self, field: u32, number: u64) {
        self.varint(u64::from(field << 3));
        self.varint(number);
    }

    /// Tag and length of a field.
    #[inline]
    fn head(&mut self, field: u32, length: usize) {
        let tag = field << 3 | 2;
        if tag < 0x80 && length < 0x80 {
            self.out.extend_from_slice(&[tag as u8, length as u8]);
        } else {
            self.varint(u64::from(tag));
            self.varint(length as u64);
        }
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.head(field, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// Data that may be large.
    fn data(&mut self, field: u32, bytes: &Bytes) {
        if !self.sharing || bytes.len() < SHARED || self.shared.is_some() {
            return self.bytes(field, bytes);
        }
        self.head(field, bytes.len());
        self.shared = Some((self.out.len(), bytes.clone()));
    }

    /// Empty text is an absent field.
    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn nested(&mut self, field: u32, part: &impl Part) {
        self.varint(u64::from(field << 3 | 2));
        self.delimited(part.size(), part);
    }

    /// The length and the content.
    #[inline]
    fn delimited(&mut self, expected: usize, part: &impl Part) {
        let place = self.out.len();
        self.varint(expected as u64);
        let start = self.out.len();
        let left_out = self.left_out();
        part.write(self);
        let length = self.out.len() - start + self.left_out() - left_out;
        if expected < 0x80 && length < 0x80 {
            self.out[place] = length as u8;
        } else {
            self.put_length(place, start, length);
        }
    }

    /// Writes the length to where another stands, and moves what follows if need be.
    #[inline(never)]
    fn put_length(&mut self, place: usize, start: usize, length: usize) {
        let mut varint = [0; 10];
        let mut rest = length;
        let width = varint_length(length as u64);
        for byte in &mut varint[..width] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        varint[width - 1] &= 0x7F;
        if width == start - place {
            self.out[place..start].copy_from_slice(&varint[..width]);
            return;
        }
        self.out
            .splice(place..start, varint[..width].iter().copied());
        if let Some((at, _)) = &mut self.shared
            && *at >= start
        {
            *at = *at - start + place + width;
        }
    }

    fn left_out(&self) -> usize {
        self.shared.as_ref().map_or(0, |(_, shared)| shared.len())
    }

    fn map(&mut self, field: u32, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.nested(field, &Entry(key, value));
        }
    }
}

/// What [`Writer::map`] takes at most in nearly all messages.
fn map_size(map: &BTreeMap<String, String>) -> usize {
    let sizes = map.iter().map(|(key, value)| Entry(key, value).size());
    sizes.map(|size| FIELD + size).sum()
}

/// Seven bits a byte, and one byte for 0.
const fn varint_length(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

impl Message {
    /// Bytes of data that [`Writer::data`] leaves out.
    fn large(&self) -> usize {
        let data = match self.event.as_ref().and_then(Event::data) {
            Some(Data::Binary(bytes)) => Some(bytes),
            _ => None,
        };
        let data = [data, self.chunk.as_ref()].into_iter().flatten();
        let mut large = data.map(Bytes::len).filter(|&length| length >= SHARED);
        large.next().unwrap_or_default()
    }
}

impl Part for Message {
    fn size(&self) -> usize {
        let part = |size: usize| 2 * FIELD + size;
        let chunk = self.chunk.as_ref().map_or(0, |chunk| part(chunk.len()));
        let [context, event, end, cancel, hello] = [
            self.context.as_ref().map(Part::size),
            self.event.as_ref().map(Part::size),
            self.end.as_ref().map(Part::size),
            self.cancel.as_ref().map(Part::size),
            self.hello.as_ref().map(Part::size),
        ]
        .map(|size| size.map_or(0, part));
        6 * FIELD + context + event + chunk + end + cancel + hello
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        let texts = self.id().len() + self.source().len() + self.ty().len() + "1.0".len();
        let attributes = self.attributes();
        let attributes = attributes.map(|(name, value)| FIELD + Attribute(name, value).size());
        let data = match self.data() {
            None => 0,
            Some(Data::Json(json)) => 40 + json.as_str().len(),
            Some(Data::Proto { type_url, value }) => Any { type_url, value }.size(),
            Some(data) => data.as_bytes().len(),
        };
        texts + attributes.sum::<usize>() + data + 6 * FIELD
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        2 * FIELD + self.0.len() + self.1.size()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(1, self.0);
        out.nested(2, self.1);
    }
}

/// `datacontenttype` where JSON data has none: what is implied in JSON isn't here.
struct ImpliedJson;

impl Part for ImpliedJson {
    fn size(&self) -> usize {
        40
    }

    fn write(&self, out: &mut Writer<'_>) {
        struct Value;
        impl Part for Value {
            fn size(&self) -> usize {
                20
            }

            fn write(&self, out: &mut Writer<'_>) {
                out.text(3, "application/json");
            }
        }
        out.text(1, "datacontenttype");
        out.nested(2, &Value);
    }
}

impl Part for AttributeValue {
    fn size(&self) -> usize {
        match self {
            AttributeValue::Boolean(_) => FIELD,
            AttributeValue::Integer(_) => 3 * FIELD,
            AttributeValue::Binary(bytes) => FIELD + bytes.len(),
            AttributeValue::String(text)
            | AttributeValue::Uri(text)
            | AttributeValue::UriRef(text) => FIELD + text.len(),
            AttributeValue::Timestamp(_) => 5 * FIELD,
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        4 * FIELD
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        3 * FIELD + self.type_url.len() + self.value.len()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(1, self.type_url);
        if !self.value.is_empty() {
            out.bytes(2, self.value);
        }
    }
}

impl Part for Context {
    fn size(&self) -> usize {
        let texts = [
            &self.invocation_id,
            &self.traceparent,
            &self.tracestate,
            &self.baggage,
        ];
        texts.map(String::len).iter().sum::<usize>() + map_size(&self.extra) + 10 * FIELD
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        3 * FIELD + self.message.len() + map_size(&self.details)
    }

    fn write(&self, out: &mut Writer<'_>) {
        if !self.is_ok() {
            out.number(1, u64::from(self.code.number()));
        }
        out.text(2, &self.message);
        out.map(3, &self.details);
    }
}

impl Part for Cancel {
    fn size(&self) -> usize {
        FIELD + self.reason.len()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(1, &self.reason);
    }
}

impl Part for Hello {
    fn size(&self) -> usize {
        5 * FIELD + self.fsi.len() + self.producer.len() + self.status.size()
    }

    fn write(&self, out: &mut Writer<'_>) {
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
    fn size(&self) -> usize {
        2 * FIELD + self.0.len() + self.1.len()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(1, self.0);
        out.text(2, self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Limits};

    /// Around each length that takes another byte, of texts and of what holds them.
    #[test]
    fn lengths_are_right_whatever_was_expected() {
        let lengths = (0..300).chain(16_000..16_500);
        for length in lengths {
            let text = "x".repeat(length);
            let event = Event::builder("1", "/s", "t")
                .attribute("a", text.as_str())
                .data(vec![1; SHARED]);
            let context = Context {
                extra: BTreeMap::from([("X".to_owned(), text.clone())]),
                ..Context::default()
            };
            for hello in [None, Some(Hello::default())] {
                let sent = Message {
                    call: 1,
                    context: Some(context.clone()),
                    event: Some(event.clone().build().unwrap()),
                    chunk: Some(text.clone().into()),
                    cancel: Some(Cancel {
                        reason: text.clone(),
                    }),
                    hello,
                    ..Message::default()
                };
                check(&sent);
            }
        }
    }

    fn check(sent: &Message) {
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        message(sent, &mut plain);
        let (at, shared) = message_sharing(sent, &mut out).unwrap();
        assert_eq!(plain, [&out[..at], &shared, &out[at..]].concat());
        let mut rest = &plain[..];
        let length = prost::encoding::decode_varint(&mut rest).unwrap();
        assert_eq!(length as usize, rest.len());
        // No length takes more bytes than it must.
        let counted = varint_length(length) + minimal(sent);
        assert_eq!(plain.len(), counted);
        let body = Bytes::copy_from_slice(rest);
        let limits = Limits {
            max_status_message_bytes: usize::MAX,
            ..Limits::default()
        };
        let received = Message::decode(body, Encoding::Protobuf, &limits).unwrap();
        assert_eq!(&received.message, sent);
    }

    /// The length of the message as prost writes it.
    fn minimal(sent: &Message) -> usize {
        let mut out = Vec::new();
        message(sent, &mut out);
        let mut rest = &out[..];
        prost::encoding::decode_varint(&mut rest).unwrap();
        let decoded = <faas_schemas::protobuf::fsi::v1::Message as prost::Message>::decode(rest);
        prost::Message::encoded_len(&decoded.unwrap())
    }
}
