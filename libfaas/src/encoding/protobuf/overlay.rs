//! Attributes added to an encoded event that is never decoded.

use std::borrow::Cow;

use super::wire::{Fields, Value};
use super::write::write_attribute;
use crate::error::{Rule, Violation};
use crate::event::check_attribute;
use crate::{AttributeValue, InvalidEvent};

/// Attributes to lay over events encoded in Protobuf, without decoding what those have.
///
/// Protobuf merges what is concatenated and the last value of an attribute counts, so the encoded
/// attributes are appended inside the event; around them only lengths change.
///
/// ```
/// use libfaas::{AttributeValue, Encoding, Event, Limits, Overlay};
///
/// let event = Event::builder("1", "/shop", "order.placed").attribute("hop", 1).build()?;
/// let mut bytes = event.encode(Encoding::Protobuf);
/// bytes.extend(Overlay::new().attribute("hop", 2)?.attributes());
/// let event = Event::decode(bytes, Encoding::Protobuf, &Limits::default())?;
/// assert_eq!(event.attribute("hop"), Some(&AttributeValue::Integer(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    encoded: Vec<u8>,
}

impl Overlay {
    /// An overlay of nothing.
    pub fn new() -> Self {
        Overlay::default()
    }

    /// Adds an attribute, or replaces one of the same name.
    ///
    /// # Errors
    ///
    /// A name or a value that no valid event has.
    pub fn attribute(
        mut self,
        name: &str,
        value: impl Into<AttributeValue>,
    ) -> Result<Self, InvalidEvent> {
        let value = value.into();
        check_attribute(name, &value)?;
        write_attribute(name, &value, &mut self.encoded);
        Ok(self)
    }

    /// The encoded attributes: appended to an event document without a delimiter they are the overlay.
    pub fn attributes(&self) -> &[u8] {
        &self.encoded
    }

    /// Lays the attributes over the event inside one message with its delimiter. The slices in
    /// their order are the new message with its delimiter, fit for a vectored write; large data is
    /// not copied. A message without an event comes back as it is.
    ///
    /// # Errors
    ///
    /// Bytes that are not exactly one delimited message, as far as its outermost fields show.
    pub fn on_message<'a>(&'a self, delimited: &'a [u8]) -> Result<[Cow<'a, [u8]>; 4], Violation> {
        let (length, header) = delimiter(delimited)?;
        let body = &delimited[header..];
        if length != body.len() as u64 {
            let expected = format!("{length} bytes after the length");
            return Err(Violation::new(
                Rule::Malformed,
                header as u64,
                expected,
                body.len().to_string(),
            ));
        }
        let mut fields = Fields::new(body, 0);
        let mut event = None;
        let mut start = 0;
        while let Some(field) = fields.next()? {
            if let (3, Value::Bytes(bytes)) = (field.number, field.value) {
                event = Some((start, field.at as usize, bytes.len()));
            }
            start = fields.position() as usize;
        }
        let Some((tag, at, length)) = event else {
            return Ok([
                delimited.into(),
                Cow::default(),
                Cow::default(),
                Cow::default(),
            ]);
        };
        // Tag and length of the event, written anew.
        let mut prefix = Vec::from([3 << 3 | 2]);
        prost::encoding::encode_varint((length + self.encoded.len()) as u64, &mut prefix);
        let total = tag + prefix.len() + length + self.encoded.len() + body.len() - (at + length);
        let mut head = Vec::with_capacity(10 + tag + prefix.len());
        prost::encoding::encode_varint(total as u64, &mut head);
        head.extend_from_slice(&body[..tag]);
        head.extend_from_slice(&prefix);
        Ok([
            head.into(),
            body[at..at + length].into(),
            self.attributes().into(),
            body[at + length..].into(),
        ])
    }
}

/// The value of the length before a message, and its own length.
fn delimiter(bytes: &[u8]) -> Result<(u64, usize), Violation> {
    let mut length = 0;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            return Ok((length, at + 1));
        }
    }
    Err(Violation::new(
        Rule::ProtobufLength,
        0,
        "a length as a varint of at most five bytes",
        "none",
    ))
}
