//! The event that a mapping makes, attribute by attribute.

use std::borrow::Cow;

use fluent_uri::UriRef;
use libfaas::{AttributeValue, Data, Event, EventBuilder, Text, Timestamp};

use crate::json::Value;
use crate::{Error, percent};

/// An event under construction; what is optional is left out where there is nothing for it.
pub(crate) struct Draft(EventBuilder);

impl Draft {
    /// Starts an event. The source is made a URI-reference if it is none.
    pub(crate) fn new(id: impl Into<Text>, source: impl AsRef<str>, ty: impl Into<Text>) -> Self {
        let source = uri_reference(source.as_ref()).into_owned();
        Draft(Event::builder(id, source, ty))
    }

    /// The `subject`, if there is one.
    pub(crate) fn subject(self, subject: Option<impl AsRef<str>>) -> Self {
        self.extension("subject", subject)
    }

    /// The `time`, if there is one.
    pub(crate) fn time(self, time: Option<Timestamp>) -> Self {
        match time {
            Some(time) => Draft(self.0.attribute("time", time)),
            None => self,
        }
    }

    /// An optional attribute of type String. Text that no String can hold is left out
    /// (rule `adapter-attribute-unfit`).
    pub(crate) fn extension(self, name: &str, text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) if fits(text.as_ref()) => {
                let value = AttributeValue::String(text.as_ref().into());
                Draft(self.0.attribute(name, value))
            }
            _ => self,
        }
    }

    /// An attribute of any type.
    pub(crate) fn attribute(self, name: &str, value: AttributeValue) -> Self {
        Draft(self.0.attribute(name, value))
    }

    /// The data: a value of the payload, verbatim, of type `application/json`.
    pub(crate) fn json(self, value: Value<'_>) -> Self {
        self.data("application/json", value.data())
    }

    /// The data, of another type.
    pub(crate) fn data(self, media_type: &str, data: impl Into<Data>) -> Self {
        Draft(self.0.datacontenttype(media_type).data(data))
    }

    /// The event that `record` became.
    pub(crate) fn build(self, record: Value<'_>) -> Result<Event, Error> {
        self.0
            .build()
            .map_err(|error| Error::invalid_event(record.pointer(), &error))
    }

    /// The event that a payload became which is no JSON.
    pub(crate) fn build_whole(self) -> Result<Event, Error> {
        self.0
            .build()
            .map_err(|error| Error::invalid_event(String::new(), &error))
    }
}

/// Whether text is a non-empty String of CloudEvents: no control characters, no noncharacters.
pub(crate) fn fits(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            let code = u32::from(c);
            !c.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
        })
}

/// Text as a URI-reference: as it stands if it is one, else with what can't stand in one
/// percent-encoded (rule `adapter-source-encoded`).
pub(crate) fn uri_reference(text: &str) -> Cow<'_, str> {
    if UriRef::parse(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let encoded = percent::encoded(text, ":");
    Cow::Owned(match UriRef::parse(encoded.as_str()) {
        Ok(_) => encoded,
        // What stands before the first colon is no scheme, or what follows `//` no authority.
        Err(_) => percent::encoded(text, ""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_become_uri_references() {
        for (came, source) in [
            ("aws:s3.us-east-1.photos", "aws:s3.us-east-1.photos"),
            ("arn:aws:sns:eu-west-1:1:t", "arn:aws:sns:eu-west-1:1:t"),
            ("my app", "my%20app"),
            ("10.0.0.1:9092", "10.0.0.1%3A9092"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("a%b", "a%25b"),
            ("//[bad", "//%5Bbad"),
        ] {
            assert_eq!(uri_reference(came), source);
            assert!(UriRef::parse(source).is_ok());
        }
    }

    #[test]
    fn optional_text_that_is_no_string_is_left_out() {
        for unfit in ["", "a\nb", "\u{85}", "\u{FFFF}", "\u{FDD0}"] {
            assert!(!fits(unfit), "{unfit:?}");
        }
        assert!(fits("größe 😀"));
    }
}
