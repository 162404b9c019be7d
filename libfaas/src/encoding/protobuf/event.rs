//! `io.cloudevents.v1.CloudEvent`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::wire::{Field, Fields, Value};
use crate::encoding::view::{DataView, ValueView};
use crate::error::{Rule, Violation};
use crate::event::{Parts, Piece, Unsorted, check_specversion, owned_name};
use crate::text::{Whole, ascii};
use crate::{AttributeValue, Event, InvalidEvent};

/// The fields of an event, read and not yet judged, since more may be merged in.
#[derive(Default)]
pub(super) struct Draft<'a> {
    at: u64,
    required: Required<'a>,
    attributes: Unsorted<Cow<'static, str>, AttributeValue>,
    /// Attributes whose last value makes the event invalid. None: a value that is not set, or of a
    /// type that this version does not know.
    odd: BTreeMap<&'a str, Option<ValueView<'a>>>,
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
    pub(super) fn merge(
        &mut self,
        mut fields: Fields<'a>,
        whole: Whole<'_>,
    ) -> Result<(), Violation> {
        self.at = fields.position();
        loop {
            if let Some((number, bytes, behind)) = fields.short() {
                let taken = match (number, bytes) {
                    (5, entry) => usual(entry)
                        .map(|(name, value)| self.insert(name, Some(value), whole))
                        .is_some(),
                    _ => self.required.short(number, bytes),
                };
                if taken {
                    fields = behind;
                    continue;
                }
            }
            let mut any = fields;
            let Some(field) = any.next()? else {
                return Ok(());
            };
            fields = any;
            match (field.number, field.value) {
                (5, Value::Bytes(entry)) => {
                    let (name, value) = attribute(field.fields(entry))?;
                    self.insert(name, value, whole);
                }
                _ => {
                    let known = self.required.read(field)?;
                    if !known {
                        read_data(field, &mut self.data)?;
                    }
                }
            }
        }
    }

    #[inline]
    fn insert(&mut self, name: &'a str, value: Option<ValueView<'a>>, whole: Whole<'_>) {
        match value.map(|value| value.owned(name, whole)) {
            Some(Ok(value)) => {
                if !self.odd.is_empty() {
                    self.odd.remove(name);
                }
                self.attributes.insert(owned_name(name), value);
            }
            _ => {
                self.odd.insert(name, value);
            }
        }
    }

    /// The event; an error is an invalid one.
    pub(super) fn build(self, whole: Whole<'_>, piece: Piece) -> Result<Event, Violation> {
        let at = self.at;
        self.judge(whole, piece)
            .map_err(|fault| Violation::invalid_event(at, fault))
    }

    fn judge(self, whole: Whole<'_>, piece: Piece) -> Result<Event, InvalidEvent> {
        let Required {
            id,
            source,
            specversion,
            ty,
        } = self.required;
        check_specversion(Some(specversion))?;
        for (name, value) in self.odd {
            let value = value.ok_or_else(|| {
                let expected = "a value of one of the seven attribute types";
                let came = "none that this version knows";
                InvalidEvent::new(Rule::ProtobufUnset, name, expected, came)
            })?;
            value.owned(name, whole)?;
        }
        let parts = Parts {
            id: whole.text(id),
            source: whole.text(source),
            ty: whole.text(ty),
            attributes: self.attributes.finish(),
            data: self.data.map(|data| data.owned(whole)),
        };
        parts.build(piece)
    }
}

impl<'a> Required<'a> {
    /// Takes the field if it is one of these and ASCII.
    #[inline(always)]
    pub(super) fn short(&mut self, number: u8, bytes: &'a [u8]) -> bool {
        let place = match number {
            1 => &mut self.id,
            2 => &mut self.source,
            3 => &mut self.specversion,
            4 => &mut self.ty,
            _ => return false,
        };
        match ascii(bytes) {
            Some(text) => {
                *place = text;
                true
            }
            None => false,
        }
    }

    /// Takes the field if it is one of these.
    #[inline]
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
#[inline]
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
#[inline]
pub(super) fn attribute<'a>(
    entry: Fields<'a>,
) -> Result<(&'a str, Option<ValueView<'a>>), Violation> {
    match usual(entry.rest()) {
        Some((name, value)) => Ok((name, Some(value))),
        None => any_attribute(entry),
    }
}

/// An entry as nearly all writers write it: its name in ASCII, then a value with one field, with
/// text in ASCII, all lengths below 128. Whatever else comes, right or wrong, is None here: this decides nothing.
#[inline]
pub(super) fn usual(entry: &[u8]) -> Option<(&str, ValueView<'_>)> {
    let (name, value) = parted(entry)?;
    let [tag @ ..0x80, second @ ..0x80, rest @ ..] = value else {
        return None;
    };
    let value = match (tag, rest) {
        (0x08, []) => ValueView::Boolean(*second != 0),
        (0x10, []) => ValueView::Integer(i32::from(*second)),
        _ if rest.len() != usize::from(*second) => return None,
        (0x1A, _) => ValueView::String(ascii(rest)?),
        (0x22, _) => ValueView::Binary(rest),
        (0x2A, _) => ValueView::Uri(ascii(rest)?),
        (0x32, _) => ValueView::UriRef(ascii(rest)?),
        (0x3A, _) => timestamp(None, Fields::new(rest, 0)).ok()?,
        _ => return None,
    };
    Some((ascii(name)?, value))
}

/// Cuts such an entry into the bytes of its name and of its value.
#[inline]
pub(super) fn parted(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    const NAME: u8 = 1 << 3 | 2;
    const VALUE: u8 = 2 << 3 | 2;
    let [NAME, length @ ..0x80, rest @ ..] = entry else {
        return None;
    };
    match rest.split_at_checked(usize::from(*length))? {
        (name, [VALUE, length @ ..0x80, value @ ..]) if value.len() == usize::from(*length) => {
            Some((name, value))
        }
        _ => None,
    }
}

#[inline(never)]
fn any_attribute<'a>(mut entry: Fields<'a>) -> Result<(&'a str, Option<ValueView<'a>>), Violation> {
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
