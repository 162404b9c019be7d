//! `io.cloudevents.v1.CloudEvent`.

use bytes::Bytes;

use super::wire::{Field, Fields, Value};
use crate::encoding::view::{DataView, ValueView};
use crate::error::{Rule, Violation};
use crate::event::{Attributes, Parts, Piece, Unsorted, check_specversion, owned_name};
use crate::{Event, EventBuilder, InvalidEvent};

/// The fields of an event, read and not yet judged, since more may be merged in.
#[derive(Default)]
pub(super) struct Draft<'a> {
    at: u64,
    required: Required<'a>,
    /// None: a value that is not set, or of a type that this version does not know.
    attributes: Unsorted<&'a str, Option<ValueView<'a>>>,
    data: Option<DataView<'a>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Required<'a> {
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) specversion: &'a str,
    pub(super) ty: &'a str,
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
                        read_data(field, &mut self.data)?;
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
        let attributes = self.attributes.finish();
        parts.attributes = Attributes::with_capacity(attributes.len());
        for (name, value) in attributes.into_iter() {
            let value = value.ok_or_else(|| {
                let expected = "a value of one of the seven attribute types";
                let came = "none that this version knows";
                InvalidEvent::new(Rule::ProtobufUnset, name, expected, came)
            })?;
            let value = value.owned(name, whole)?;
            parts.attributes.push(owned_name(name), value);
        }
        parts.data = self.data.map(|data| data.owned(whole));
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

/// Takes the field if it is one of the oneof `data`.
pub(super) fn read_data<'a>(
    field: Field<'a>,
    data: &mut Option<DataView<'a>>,
) -> Result<(), Violation> {
    let Value::Bytes(bytes) = field.value else {
        return Ok(());
    };
    match field.number {
        6 => *data = Some(DataView::Binary(bytes)),
        7 => *data = Some(DataView::Text(field.text(bytes)?)),
        8 => {
            let (mut type_url, mut value) = match *data {
                Some(DataView::Proto { type_url, value }) => (type_url, value),
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
            *data = Some(DataView::Proto { type_url, value });
        }
        _ => {}
    }
    Ok(())
}

/// An entry of the map: what is absent has its default.
pub(super) fn attribute<'a>(
    mut entry: Fields<'a>,
) -> Result<(&'a str, Option<ValueView<'a>>), Violation> {
    let (mut name, mut value) = ("", None);
    while let Some(field) = entry.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = field.text(bytes)?,
            (2, Value::Bytes(bytes)) => value = merged(value, field.fields(bytes))?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// `CloudEventAttributeValue`: each member of the oneof replaces the one before.
fn merged<'a>(
    mut value: Option<ValueView<'a>>,
    mut fields: Fields<'a>,
) -> Result<Option<ValueView<'a>>, Violation> {
    while let Some(field) = fields.next()? {
        value = Some(match (field.number, field.value) {
            (1, Value::Varint(number)) => ValueView::Boolean(number != 0),
            (2, Value::Varint(number)) => ValueView::Integer(number as i32),
            (3, Value::Bytes(bytes)) => ValueView::String(field.text(bytes)?),
            (4, Value::Bytes(bytes)) => ValueView::Binary(bytes),
            (5, Value::Bytes(bytes)) => ValueView::Uri(field.text(bytes)?),
            (6, Value::Bytes(bytes)) => ValueView::UriRef(field.text(bytes)?),
            (7, Value::Bytes(bytes)) => timestamp(value, field.fields(bytes))?,
            _ => continue,
        });
    }
    Ok(value)
}

/// `google.protobuf.Timestamp`, merged into one that stood before.
fn timestamp<'a>(
    before: Option<ValueView<'a>>,
    mut fields: Fields<'a>,
) -> Result<ValueView<'a>, Violation> {
    let (mut seconds, mut nanos) = match before {
        Some(ValueView::Timestamp { seconds, nanos }) => (seconds, nanos),
        _ => (0, 0),
    };
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => seconds = number as i64,
            (2, Value::Varint(number)) => nanos = number as i32,
            _ => {}
        }
    }
    Ok(ValueView::Timestamp { seconds, nanos })
}
