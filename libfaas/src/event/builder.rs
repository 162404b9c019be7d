//! Builds events, and decides what a valid one is: every decoder goes through here.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use fluent_uri::{Uri, UriRef};

use super::{AttributeValue, Data, Event, InvalidTimestamp, JsonText, Parts};
use crate::Text;
use crate::error::{Rule, quote};
use crate::text::is_printable;

/// Builds an [`Event`]; [`build`](Self::build) validates.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    parts: Parts,
    /// The first value that could not be taken, reported by `build`.
    error: Option<InvalidEvent>,
}

/// Whether an event's data is all there, or goes on in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Whole,
    /// Binary or text; text of a JSON media type need not be JSON yet.
    First,
}

/// An event that is no valid CloudEvent: which attribute breaks which rule, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEvent {
    pub(crate) rule: Rule,
    attribute: String,
    pub(crate) expected: Cow<'static, str>,
    pub(crate) came: Cow<'static, str>,
}

impl InvalidEvent {
    pub(crate) fn new(
        rule: Rule,
        attribute: &str,
        expected: impl Into<Cow<'static, str>>,
        came: impl Into<Cow<'static, str>>,
    ) -> Self {
        InvalidEvent {
            rule,
            attribute: attribute.to_owned(),
            expected: expected.into(),
            came: came.into(),
        }
    }

    /// The identifier of the broken rule, a heading in the specification.
    pub fn rule(&self) -> &'static str {
        self.rule.id()
    }

    /// The name of the offending attribute, or `data`.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidEvent {
            rule,
            attribute,
            expected,
            came,
        } = self;
        write!(
            f,
            "`{}`: expected {expected}, got {came} (rule {})",
            attribute.escape_debug(),
            rule.id()
        )
    }
}

impl std::error::Error for InvalidEvent {}

impl EventBuilder {
    pub(super) fn new(id: Text, source: Text, ty: Text) -> Self {
        EventBuilder::from(Parts {
            id,
            source,
            ty,
            ..Parts::default()
        })
    }

    /// Replaces the `id`.
    pub fn id(mut self, id: impl Into<Text>) -> Self {
        self.parts.id = id.into();
        self
    }

    /// Sets the `id` if it is empty.
    pub(crate) fn id_or_else(mut self, default: impl FnOnce() -> String) -> Self {
        if self.parts.id.is_empty() {
            self.parts.id = default().into();
        }
        self
    }

    /// Replaces the `source`.
    pub fn source(mut self, source: impl Into<Text>) -> Self {
        self.parts.source = source.into();
        self
    }

    /// Replaces the `type`.
    pub fn ty(mut self, ty: impl Into<Text>) -> Self {
        self.parts.ty = ty.into();
        self
    }

    /// Sets the `subject`: non-empty text.
    pub fn subject(self, subject: impl Into<Text>) -> Self {
        self.attribute("subject", AttributeValue::String(subject.into()))
    }

    /// Sets the `time` from RFC 3339 text, which is kept as it is.
    pub fn time(mut self, time: impl AsRef<str>) -> Self {
        match time.as_ref().parse() {
            Ok(time) => self.attribute("time", AttributeValue::Timestamp(time)),
            Err(_) => {
                let came = quote(time.as_ref().as_bytes());
                self.fail(InvalidEvent::new(
                    Rule::EventTime,
                    "time",
                    InvalidTimestamp::EXPECTED,
                    came,
                ));
                self
            }
        }
    }

    /// Sets the `datacontenttype`: a media type (RFC 2046).
    pub fn datacontenttype(self, media_type: impl Into<Text>) -> Self {
        self.attribute("datacontenttype", AttributeValue::String(media_type.into()))
    }

    /// Sets the `dataschema`: an absolute URI.
    pub fn dataschema(self, uri: impl Into<Text>) -> Self {
        self.attribute("dataschema", AttributeValue::Uri(uri.into()))
    }

    /// Sets an optional attribute or an extension, whose name is of `a`-`z` and `0`-`9`. A later
    /// value replaces an earlier one.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        self.parts.attributes.insert(name.into(), value.into());
        self
    }

    /// Removes an optional attribute or an extension.
    pub fn without_attribute(mut self, name: &str) -> Self {
        self.parts.attributes.remove(name);
        self
    }

    /// Sets the data.
    pub fn data(mut self, data: impl Into<Data>) -> Self {
        self.parts.data = Some(data.into());
        self
    }

    /// Sets the data to the JSON of `value`; a missing `datacontenttype` means JSON.
    pub fn json(mut self, value: &impl serde::Serialize) -> Self {
        let text = serde_json::to_string(value).map_err(|error| error.to_string());
        match text.and_then(|text| JsonText::new(text).map_err(|error| error.reason)) {
            Ok(json) => self.data(json),
            Err(reason) => {
                self.fail(InvalidEvent::new(
                    Rule::EventDataJson,
                    "data",
                    "a JSON value",
                    reason,
                ));
                self
            }
        }
    }

    /// Removes the data.
    pub fn without_data(mut self) -> Self {
        self.parts.data = None;
        self
    }

    /// The event, if it is a valid CloudEvent.
    ///
    /// Text data with a JSON `datacontenttype` becomes [`Data::Json`].
    ///
    /// # Errors
    ///
    /// The first rule of the specification's page on events that the event breaks.
    pub fn build(self) -> Result<Event, InvalidEvent> {
        self.build_piece(Piece::Whole)
    }

    pub(crate) fn build_piece(self, piece: Piece) -> Result<Event, InvalidEvent> {
        match self.error {
            Some(error) => Err(error),
            None => self.parts.build(piece),
        }
    }

    fn fail(&mut self, error: InvalidEvent) {
        self.error.get_or_insert(error);
    }
}

impl Parts {
    /// The event, if it is a valid CloudEvent.
    pub(crate) fn build(mut self, piece: Piece) -> Result<Event, InvalidEvent> {
        for (name, value) in [
            ("id", &self.id),
            ("source", &self.source),
            ("type", &self.ty),
        ] {
            if value.is_empty() {
                return Err(InvalidEvent::new(
                    Rule::EventRequired,
                    name,
                    "non-empty text",
                    "none",
                ));
            }
        }
        check_string("id", &self.id)?;
        check_uri_ref("source", &self.source)?;
        check_string("type", &self.ty)?;
        for (name, value) in self.attributes.iter() {
            check_attribute(name, value)?;
        }
        check_data(&mut self, piece)?;
        Ok(Event(Arc::new(self)))
    }
}

impl From<Parts> for EventBuilder {
    fn from(parts: Parts) -> Self {
        EventBuilder { parts, error: None }
    }
}

/// Whether data of this media type is JSON: `*/json` or `*/*+json`, whatever its parameters.
pub(crate) fn is_json(media_type: &str) -> bool {
    // Among bytes, since a place before the last four or five may lie inside a character.
    let media_type = media_type.as_bytes();
    let end = media_type.iter().position(|&b| b == b';');
    let essence = media_type[..end.unwrap_or(media_type.len())].trim_ascii();
    let Some(slash) = essence.iter().position(|&b| b == b'/') else {
        return false;
    };
    let subtype = &essence[slash + 1..];
    let suffix = subtype.last_chunk::<5>();
    subtype.eq_ignore_ascii_case(b"json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

/// Of the CloudEvents versions, only 1.0 is an event here.
#[inline]
pub(crate) fn check_specversion(specversion: Option<&str>) -> Result<(), InvalidEvent> {
    match specversion {
        Some("1.0") => Ok(()),
        None | Some("") => Err(InvalidEvent::new(
            Rule::EventRequired,
            "specversion",
            "1.0",
            "none",
        )),
        Some(other) => Err(InvalidEvent::new(
            Rule::EventSpecversion,
            "specversion",
            "1.0",
            quote(other.as_bytes()),
        )),
    }
}

pub(crate) fn check_attribute(name: &str, value: &AttributeValue) -> Result<(), InvalidEvent> {
    let (expected, fits) = match name {
        "subject" | "datacontenttype" => ("String", matches!(value, AttributeValue::String(_))),
        "time" => ("Timestamp", matches!(value, AttributeValue::Timestamp(_))),
        "dataschema" => ("URI", matches!(value, AttributeValue::Uri(_))),
        _ if is_name(name) => return check_value(name, value),
        _ => {
            let expected = "a name of a-z and 0-9 that is no required attribute and not data";
            let came = quote(name.as_bytes());
            return Err(InvalidEvent::new(Rule::EventName, name, expected, came));
        }
    };
    if !fits {
        return Err(InvalidEvent::new(
            Rule::EventType,
            name,
            expected,
            value.type_name(),
        ));
    }
    if value.as_str() == Some("") {
        return Err(InvalidEvent::new(
            Rule::EventEmpty,
            name,
            "non-empty text",
            "none",
        ));
    }
    check_value(name, value)
}

/// Whether an extension may have this name.
fn is_name(name: &str) -> bool {
    const LOWER: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            table[byte] = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9');
            byte += 1;
        }
        table
    };
    let reserved = matches!(
        name,
        "" | "id" | "source" | "type" | "specversion" | "data" | "data_base64"
    );
    !reserved && name.bytes().all(|b| LOWER[usize::from(b)])
}

fn check_value(name: &str, value: &AttributeValue) -> Result<(), InvalidEvent> {
    match value {
        AttributeValue::String(text) => check_string(name, text)?,
        AttributeValue::UriRef(text) => check_uri_ref(name, text)?,
        AttributeValue::Uri(text) => {
            if let Err(error) = Uri::parse(text.as_str()) {
                let came = format!("{} ({error})", quote(text.as_bytes()));
                return Err(InvalidEvent::new(
                    Rule::EventUri,
                    name,
                    "an absolute URI (RFC 3986)",
                    came,
                ));
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_uri_ref(name: &str, text: &str) -> Result<(), InvalidEvent> {
    if is_plain_uri_ref(text) {
        return Ok(());
    }
    match UriRef::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let came = format!("{} ({error})", quote(text.as_bytes()));
            Err(InvalidEvent::new(
                Rule::EventUri,
                name,
                "a URI-reference (RFC 3986)",
                came,
            ))
        }
    }
}

/// Whether text is a URI-reference because it consists of unreserved characters and slashes, as most
/// do, after a scheme at most. It may be one otherwise.
fn is_plain_uri_ref(text: &str) -> bool {
    const PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            let character = byte as u8;
            table[byte] = character.is_ascii_alphanumeric()
                || matches!(character, b'-' | b'.' | b'_' | b'~' | b'/');
            byte += 1;
        }
        table
    };
    let plain = |bytes: &[u8]| bytes.iter().position(|&b| !PLAIN[usize::from(b)]);
    let text = text.as_bytes();
    let Some(end) = plain(text) else {
        return true;
    };
    let (scheme, rest) = text.split_at(end);
    let of_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    rest[0] == b':'
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(of_scheme)
        && plain(&rest[1..]).is_none()
}

/// CloudEvents' String has no control characters and no noncharacters.
fn check_string(name: &str, text: &str) -> Result<(), InvalidEvent> {
    let bad = |c: &char| {
        let code = u32::from(*c);
        c.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
    };
    // Nearly all text is printable ASCII, which is seen without a look at each character.
    if is_printable(text.as_bytes()) {
        return Ok(());
    }
    match text.chars().find(bad) {
        None => Ok(()),
        Some(c) => {
            let came = format!("U+{:04X} in {}", u32::from(c), quote(text.as_bytes()));
            let expected = "text without control characters and noncharacters";
            Err(InvalidEvent::new(Rule::EventText, name, expected, came))
        }
    }
}

fn check_data(parts: &mut Parts, piece: Piece) -> Result<(), InvalidEvent> {
    if matches!(parts.data, None | Some(Data::Binary(_))) {
        return Ok(());
    }
    let media_type = parts
        .attributes
        .get("datacontenttype")
        .and_then(AttributeValue::as_str);
    let json = media_type.map(is_json);
    match (&mut parts.data, piece) {
        (Some(Data::Text(text)), Piece::Whole) if json == Some(true) => {
            let checked = JsonText::new(std::mem::take(text)).map_err(|error| {
                InvalidEvent::new(
                    Rule::EventDataJson,
                    "data",
                    "JSON, as datacontenttype says",
                    error.reason,
                )
            })?;
            parts.data = Some(Data::Json(checked));
            Ok(())
        }
        (Some(Data::Json(_)), Piece::Whole) if json == Some(false) => {
            let came = format!(
                "a JSON value of type {}",
                quote(media_type.unwrap_or_default().as_bytes())
            );
            Err(InvalidEvent::new(
                Rule::JsonEventData,
                "data",
                "a JSON datacontenttype, or none, for JSON data",
                came,
            ))
        }
        (Some(Data::Json(_) | Data::Proto { .. }), Piece::First) => {
            let expected = "binary or text as the first piece of data that goes on";
            Err(InvalidEvent::new(
                Rule::ChunkKind,
                "data",
                expected,
                "data that has no pieces",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_uri_references_are_uri_references(text in "[a-z0-9A-Z:/._~?+-]{0,6}") {
            prop_assert!(!is_plain_uri_ref(&text) || UriRef::parse(text.as_str()).is_ok(), "{text}");
        }
    }

    #[test]
    fn most_uri_references_are_plain() {
        for text in [
            "/shop/orders",
            "//host/a",
            "https://example.com/a",
            "urn:b",
            "a",
            "",
        ] {
            assert!(is_plain_uri_ref(text), "{text}");
        }
        for text in ["1:a", ":a", "a_b:c", "a b", "caf\u{e9}", "/a?b", "h:80:"] {
            assert!(!is_plain_uri_ref(text), "{text}");
        }
    }
}
