//! An event in CloudEvents' JSON format.

use super::reader::{Kind, Raw, Reader, Text, Twice};
use crate::error::{Rule, quote};
use crate::event::{Parts, Piece, check_specversion, is_json};
use crate::{
    AttributeValue, Data, Event, EventBuilder, InvalidEvent, InvalidTimestamp, JsonText, Violation,
};

/// The members of an event, read and not yet judged: what `data` means depends on others.
#[derive(Default)]
pub(super) struct Draft<'a> {
    at: u64,
    parts: Parts,
    specversion: Option<String>,
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

impl Draft<'_> {
    fn attribute(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let at = reader.offset() as u64;
        let value = match reader.kind()? {
            Kind::Null => return reader.value(Twice::Malformed).map(drop),
            Kind::String => text(name, reader.string()?),
            Kind::Boolean => Ok(AttributeValue::Boolean(
                reader.value(Twice::Malformed)?.text == "true",
            )),
            Kind::Number => integer(name, reader.value(Twice::Malformed)?.text),
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
        if let Err(fault) = value.and_then(|value| self.set(name, value)) {
            self.fault
                .get_or_insert(Violation::invalid_event(at, fault));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: AttributeValue) -> Result<(), InvalidEvent> {
        let parts = &mut self.parts;
        let text = match (name, value) {
            (
                "id" | "source" | "type" | "specversion" | "time" | "dataschema",
                AttributeValue::String(text),
            ) => text,
            ("id" | "source" | "type" | "specversion" | "time" | "dataschema", other) => {
                let came = other.type_name();
                return Err(InvalidEvent::new(Rule::EventType, name, "a string", came));
            }
            (name, value) => {
                parts.attributes.insert(name.to_owned(), value);
                return Ok(());
            }
        };
        match name {
            "id" => parts.id = text,
            "source" => parts.source = text,
            "type" => parts.ty = text,
            "specversion" => self.specversion = Some(text),
            "dataschema" => {
                parts
                    .attributes
                    .insert(name.to_owned(), AttributeValue::Uri(text));
            }
            _ => {
                let time = text.parse().map_err(|_: InvalidTimestamp| {
                    InvalidEvent::new(
                        Rule::EventTime,
                        name,
                        InvalidTimestamp::EXPECTED,
                        quote(text.as_bytes()),
                    )
                })?;
                parts
                    .attributes
                    .insert(name.to_owned(), AttributeValue::Timestamp(time));
            }
        }
        Ok(())
    }

    /// The event; an error is an invalid one.
    pub(super) fn build(mut self, piece: Piece) -> Result<Event, Violation> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let at = self.at;
        self.judge(piece)
            .map_err(|fault| Violation::invalid_event(at, fault))
    }

    fn judge(&mut self, piece: Piece) -> Result<Event, InvalidEvent> {
        check_specversion(self.specversion.as_deref())?;
        let mut parts = std::mem::take(&mut self.parts);
        let json = parts
            .attributes
            .get("datacontenttype")
            .and_then(AttributeValue::as_str)
            .is_none_or(is_json);
        parts.data = match (self.data, self.base64) {
            (None, None) => None,
            (Some(value), None) if json => Some(Data::Json(JsonText::checked(value))),
            (Some(value), None) => Some(Data::Text(string(value)?)),
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
        EventBuilder::from(parts).build_piece(piece)
    }
}

fn text(name: &str, text: Text<'_>) -> Result<AttributeValue, InvalidEvent> {
    match text.decode() {
        Ok(text) => Ok(AttributeValue::String(text.into_owned())),
        Err(_) => {
            let came = format!("a lone surrogate in {}", quote(text.raw.as_bytes()));
            Err(InvalidEvent::new(
                Rule::JsonEventSurrogate,
                name,
                "Unicode text",
                came,
            ))
        }
    }
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

/// `data` under a content type that isn't JSON.
fn string(value: Raw<'_>) -> Result<String, InvalidEvent> {
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
    serde_json::from_str(value.text).map_err(|_| {
        InvalidEvent::new(
            Rule::JsonEventSurrogate,
            "data",
            "text without lone surrogates",
            came(),
        )
    })
}

fn base64(value: Raw<'_>) -> Result<Vec<u8>, InvalidEvent> {
    let text: Option<String> = serde_json::from_str(value.text).ok();
    text.and_then(|text| super::base64(&text)).ok_or_else(|| {
        let expected = "a string of standard base64 with padding";
        InvalidEvent::new(
            Rule::JsonEventBase64,
            "data_base64",
            expected,
            quote(value.text.as_bytes()),
        )
    })
}
