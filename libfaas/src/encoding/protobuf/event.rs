//! `io.cloudevents.v1.CloudEvent`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::wire::{Field, Fields, Value};
use crate::error::{Rule, Violation};
use crate::event::{Parts, Piece, check_specversion};
use crate::{AttributeValue, Data, Event, EventBuilder, InvalidEvent, Timestamp};

/// The fields of an event, read and not yet judged, since more may be merged in.
#[derive(Default)]
pub(super) struct Draft<'a> {
    at: u64,
    required: Required<'a>,
    attributes: BTreeMap<&'a str, Attribute<'a>>,
    data: Option<RawData<'a>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Required<'a> {
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) specversion: &'a str,
    pub(super) ty: &'a str,
}

/// `CloudEventAttributeValue`; each oneof member that stands replaces the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Attribute<'a> {
    Unset,
    Boolean(bool),
    Integer(i32),
    String(&'a str),
    Binary(&'a [u8]),
    Uri(&'a str),
    UriRef(&'a str),
    Timestamp { seconds: i64, nanos: i32 },
}

#[derive(Clone, Copy)]
pub(super) enum RawData<'a> {
    Binary(&'a [u8]),
    Text(&'a str),
    Proto { type_url: &'a str, value: &'a [u8] },
}

impl<'a> Draft<'a> {
    /// Takes fields over, as Protobuf merges a message: the last value counts, per attribute too.
    pub(super) fn merge(&mut self, mut fields: Fields<'a>) -> Result<(), Violation> {
        self.at = fields.base();
        while let Some(field) = fields.next()? {
            match (field.number, field.value) {
                (5, Value::Bytes(entry)) => {
                    let (name, value) = attribute(field.fields(entry))?;
                    self.attributes.insert(name, value);
                }
                _ => {
                    let known = self.required.read(field)?;
                    if !known {
                        RawData::read(field, &mut self.data)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The event, its data shared with `whole`; an error is an invalid one.
    pub(super) fn build(self, whole: &Bytes, piece: Piece) -> Result<Event, Violation> {
        let at = self.at;
        self.judge(whole, piece)
            .map_err(|fault| Violation::invalid_event(at, fault))
    }

    fn judge(self, whole: &Bytes, piece: Piece) -> Result<Event, InvalidEvent> {
        let Required {
            id,
            source,
            specversion,
            ty,
        } = self.required;
        check_specversion(Some(specversion))?;
        let mut parts = Parts {
            id: id.into(),
            source: source.into(),
            ty: ty.into(),
            ..Parts::default()
        };
        for (name, value) in self.attributes {
            parts
                .attributes
                .insert(name.to_owned(), value.owned(name, whole)?);
        }
        parts.data = self.data.map(|data| match data {
            RawData::Binary(bytes) => Data::Binary(whole.slice_ref(bytes)),
            RawData::Text(text) => Data::Text(text.to_owned()),
            RawData::Proto { type_url, value } => Data::Proto {
                type_url: type_url.to_owned(),
                value: whole.slice_ref(value),
            },
        });
        EventBuilder::from(parts).build_piece(piece)
    }
}

impl<'a> Required<'a> {
    /// Takes the field if it is one of these.
    pub(super) fn read(&mut self, field: Field<'a>) -> Result<bool, Violation> {
        let Value::Bytes(bytes) = field.value else {
            return Ok(false);
        };
        let place = match field.number {
            1 => &mut self.id,
            2 => &mut self.source,
            3 => &mut self.specversion,
            4 => &mut self.ty,
            _ => return Ok(false),
        };
        *place = field.text(bytes)?;
        Ok(true)
    }
}

impl<'a> RawData<'a> {
    /// Takes the field if it is one of the oneof `data`.
    pub(super) fn read(field: Field<'a>, data: &mut Option<RawData<'a>>) -> Result<(), Violation> {
        let Value::Bytes(bytes) = field.value else {
            return Ok(());
        };
        match field.number {
            6 => *data = Some(RawData::Binary(bytes)),
            7 => *data = Some(RawData::Text(field.text(bytes)?)),
            8 => {
                let (mut type_url, mut value) = match *data {
                    Some(RawData::Proto { type_url, value }) => (type_url, value),
                    _ => ("", &[][..]),
                };
                let mut fields = field.fields(bytes);
                while let Some(field) = fields.next()? {
                    match (field.number, field.value) {
                        (1, Value::Bytes(bytes)) => type_url = field.text(bytes)?,
                        (2, Value::Bytes(bytes)) => value = bytes,
                        _ => {}
                    }
                }
                *data = Some(RawData::Proto { type_url, value });
            }
            _ => {}
        }
        Ok(())
    }
}

/// An entry of the map: what is absent has its default.
pub(super) fn attribute<'a>(mut entry: Fields<'a>) -> Result<(&'a str, Attribute<'a>), Violation> {
    let (mut name, mut value) = ("", Attribute::Unset);
    while let Some(field) = entry.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = field.text(bytes)?,
            (2, Value::Bytes(bytes)) => value.merge(field.fields(bytes))?,
            _ => {}
        }
    }
    Ok((name, value))
}

impl<'a> Attribute<'a> {
    fn merge(&mut self, mut fields: Fields<'a>) -> Result<(), Violation> {
        while let Some(field) = fields.next()? {
            *self = match (field.number, field.value) {
                (1, Value::Varint(number)) => Attribute::Boolean(number != 0),
                (2, Value::Varint(number)) => Attribute::Integer(number as i32),
                (3, Value::Bytes(bytes)) => Attribute::String(field.text(bytes)?),
                (4, Value::Bytes(bytes)) => Attribute::Binary(bytes),
                (5, Value::Bytes(bytes)) => Attribute::Uri(field.text(bytes)?),
                (6, Value::Bytes(bytes)) => Attribute::UriRef(field.text(bytes)?),
                (7, Value::Bytes(bytes)) => self.timestamp(field.fields(bytes))?,
                _ => *self,
            };
        }
        Ok(())
    }

    fn timestamp(self, mut fields: Fields<'a>) -> Result<Self, Violation> {
        let (mut seconds, mut nanos) = match self {
            Attribute::Timestamp { seconds, nanos } => (seconds, nanos),
            _ => (0, 0),
        };
        while let Some(field) = fields.next()? {
            match (field.number, field.value) {
                (1, Value::Varint(number)) => seconds = number as i64,
                (2, Value::Varint(number)) => nanos = number as i32,
                _ => {}
            }
        }
        Ok(Attribute::Timestamp { seconds, nanos })
    }

    fn owned(self, name: &str, whole: &Bytes) -> Result<AttributeValue, InvalidEvent> {
        Ok(match self {
            Attribute::Boolean(value) => AttributeValue::Boolean(value),
            Attribute::Integer(value) => AttributeValue::Integer(value),
            Attribute::String(text) => AttributeValue::String(text.to_owned()),
            Attribute::Binary(bytes) => AttributeValue::Binary(whole.slice_ref(bytes)),
            Attribute::Uri(text) => AttributeValue::Uri(text.to_owned()),
            Attribute::UriRef(text) => AttributeValue::UriRef(text.to_owned()),
            Attribute::Timestamp { seconds, nanos } => {
                AttributeValue::Timestamp(timestamp(name, seconds, nanos)?)
            }
            Attribute::Unset => {
                let expected = "a value of one of the seven attribute types";
                return Err(InvalidEvent::new(
                    Rule::ProtobufUnset,
                    name,
                    expected,
                    "none that this version knows",
                ));
            }
        })
    }
}

/// A moment that both binary encodings carry as seconds and nanoseconds.
pub(in crate::encoding) fn timestamp(
    name: &str,
    seconds: i64,
    nanos: i32,
) -> Result<Timestamp, InvalidEvent> {
    u32::try_from(nanos)
        .ok()
        .and_then(|nanos| Timestamp::from_unix(seconds, nanos))
        .ok_or_else(|| {
            let expected = "a time in the years 1 to 9999 with 0 to 999999999 nanoseconds";
            InvalidEvent::new(
                Rule::ProtobufTime,
                name,
                expected,
                format!("{seconds} s and {nanos} ns"),
            )
        })
}
