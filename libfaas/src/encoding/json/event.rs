//! An event in CloudEvents' JSON format.

use std::borrow::Cow;

use super::reader::{Kind, Raw, Reader, Text, Twice};
use crate::error::{Rule, quote};
use crate::event::{Parts, Piece, Unsorted, check_specversion, is_json, owned_name};
use crate::text::Whole;
use crate::{
    AttributeValue, Data, Event, InvalidEvent, InvalidTimestamp, JsonText, Text as Shared,
    Violation,
};

/// The members of an event, read and not yet judged: what `data` means depends on others.
#[derive(Default)]
pub(super) struct Draft<'a> {
    at: u64,
    id: Shared,
    source: Shared,
    ty: Shared,
    specversion: Option<Cow<'a, str>>,
    attributes: Unsorted<Cow<'static, str>, AttributeValue>,
    data: Option<Raw<'a>>,
    base64: Option<Raw<'a>>,
    /// The first fault that is no matter of syntax.
    fault: Option<Violation>,
}

/// Reads an event object; an error is malformed JSON.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Draft<'a>, Violation> {
    let mut draft = Draft {
        at: reader.offset() as u64,
        ..Draft::default()
    };
    reader.object(Twice::Malformed, |reader, name| match &*name {
        "data" => {
            draft.data = Some(reader.value(Twice::Allowed)?);
            Ok(())
        }
        "data_base64" => {
            let value = reader.value(Twice::Malformed)?;
            draft.base64 = (value.text != "null").then_some(value);
            Ok(())
        }
        name => draft.attribute(name, reader),
    })?;
    Ok(draft)
}

impl<'a> Draft<'a> {
    fn attribute(&mut self, name: &str, reader: &mut Reader<'a>) -> Result<(), Violation> {
        let at = reader.offset() as u64;
        let value = match reader.kind()? {
            Kind::Null => return reader.value(Twice::Malformed).map(drop),
            Kind::String => {
                let text = text(name, reader.string()?);
                text.and_then(|text| self.set_text(name, text))
            }
            Kind::Boolean => {
                let value = reader.value(Twice::Malformed)?.text == "true";
                self.set(name, AttributeValue::Boolean(value))
            }
            Kind::Number => {
                let value = integer(name, reader.value(Twice::Malformed)?.text);
                value.and_then(|value| self.set(name, value))
            }
            Kind::Object | Kind::Array => {
                let came = quote(reader.value(Twice::Malformed)?.text.as_bytes());
                Err(InvalidEvent::new(
                    Rule::JsonEventAttribute,
                    name,
                    "a string, an integer, true or false",
                    came,
                ))
            }
        };
        if let Err(fault) = value {
            self.fault
                .get_or_insert(Violation::invalid_event(at, fault));
        }
        Ok(())
    }

    /// A value that is no string.
    fn set(&mut self, name: &str, value: AttributeValue) -> Result<(), InvalidEvent> {
        if let "id" | "source" | "type" | "specversion" | "time" | "dataschema" = name {
            let came = value.type_name();
            return Err(InvalidEvent::new(Rule::EventType, name, "a string", came));
        }
        self.attributes.insert(owned_name(name), value);
        Ok(())
    }

    fn set_text(&mut self, name: &str, text: Cow<'a, str>) -> Result<(), InvalidEvent> {
        let value = match name {
            "id" => {
                self.id = text.into();
                return Ok(());
            }
            "source" => {
                self.source = text.into();
                return Ok(());
            }
            "type" => {
                self.ty = text.into();
                return Ok(());
            }
            "specversion" => {
                self.specversion = Some(text);
                return Ok(());
            }
            "dataschema" => AttributeValue::Uri(text.into()),
            "time" => {
                let time = text.parse().map_err(|_: InvalidTimestamp| {
                    InvalidEvent::new(
                        Rule::EventTime,
                        name,
                        InvalidTimestamp::EXPECTED,
                        quote(text.as_bytes()),
                    )
                })?;
                AttributeValue::Timestamp(time)
            }
            _ => AttributeValue::String(text.into()),
        };
        self.attributes.insert(owned_name(name), value);
        Ok(())
    }

    /// The event, an error is an invalid one.
    pub(super) fn build(mut self, whole: Whole<'_>, piece: Piece) -> Result<Event, Violation> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let at = self.at;
        self.judge(whole, piece)
            .map_err(|fault| Violation::invalid_event(at, fault))
    }

    fn judge(self, whole: Whole<'_>, piece: Piece) -> Result<Event, InvalidEvent> {
        check_specversion(self.specversion.as_deref())?;
        let mut parts = Parts {
            id: self.id,
            source: self.source,
            ty: self.ty,
            attributes: self.attributes.finish(),
            data: None,
        };
        let json = parts
            .attributes
            .get("datacontenttype")
            .and_then(AttributeValue::as_str)
            .is_none_or(is_json);
        parts.data = match (self.data, self.base64) {
            (None, None) => None,
            (Some(value), None) if json => Some(Data::Json(JsonText::checked(value, whole))),
            (Some(value), None) => Some(Data::Text(string(value, whole)?)),
            (None, Some(value)) => Some(Data::Binary(base64(value)?.into())),
            (Some(_), Some(_)) => {
                let expected = "either data or data_base64";
                return Err(InvalidEvent::new(
                    Rule::JsonEventConflict,
                    "data_base64",
                    expected,
                    "both",
                ));
            }
        };
        parts.build(piece)
    }
}

fn text<'a>(name: &str, text: Text<'a>) -> Result<Cow<'a, str>, InvalidEvent> {
    text.decode().map_err(|_| {
        let came = format!("a lone surrogate in {}", quote(text.raw.as_bytes()));
        InvalidEvent::new(Rule::JsonEventSurrogate, name, "Unicode text", came)
    })
}

fn integer(name: &str, literal: &str) -> Result<AttributeValue, InvalidEvent> {
    if literal.contains(['.', 'e', 'E']) {
        let expected = "an integer without fraction and exponent";
        return Err(InvalidEvent::new(
            Rule::JsonEventAttribute,
            name,
            expected,
            quote(literal.as_bytes()),
        ));
    }
    literal.parse().map(AttributeValue::Integer).map_err(|_| {
        InvalidEvent::new(
            Rule::EventInteger,
            name,
            "an integer of 32 signed bits",
            quote(literal.as_bytes()),
        )
    })
}

/// `data` under a content type that isn't JSON, not copied where it has no escapes.
fn string(value: Raw<'_>, whole: Whole<'_>) -> Result<Shared, InvalidEvent> {
    let came = || quote(value.text.as_bytes());
    if !value.text.starts_with('"') {
        let expected = "a string under a datacontenttype that isn't JSON";
        return Err(InvalidEvent::new(
            Rule::JsonEventData,
            "data",
            expected,
            came(),
        ));
    }
    if let Some(plain) = value.plain_string() {
        return Ok(whole.text(plain));
    }
    let text: Result<String, _> = serde_json::from_str(value.text);
    text.map(Shared::from).map_err(|_| {
        InvalidEvent::new(
            Rule::JsonEventSurrogate,
            "data",
            "text without lone surrogates",
            came(),
        )
    })
}

fn base64(value: Raw<'_>) -> Result<Vec<u8>, InvalidEvent> {
    let bytes = match value.plain_string() {
        Some(plain) => super::base64(plain),
        None => {
            let text: Option<String> = serde_json::from_str(value.text).ok();
            text.and_then(|text| super::base64(&text))
        }
    };
    bytes.ok_or_else(|| {
        let expected = "a string of standard base64 with padding";
        InvalidEvent::new(
            Rule::JsonEventBase64,
            "data_base64",
            expected,
            quote(value.text.as_bytes()),
        )
    })
}
