//! Why a delivery has no events.

use std::borrow::Cow;
use std::fmt;

use libfaas::InvalidEvent;

use crate::percent;

/// What a mapping can't do with: where, what was expected there, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    kind: Kind,
    document: Document,
    pointer: String,
    expected: Cow<'static, str>,
    found: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The payload can't be decoded, or what the mapping needs is missing or of the wrong kind.
    Payload,
    /// What surrounds the payload lacks something or has it wrong: a header, the path, the configuration.
    Delivery,
    /// The vendor wants its own object back, changed: what it sends is no event.
    NotAnEvent,
    /// The vendor expects nothing back.
    NoReply,
    /// Several sources look like this delivery, or none does.
    Unrecognized,
}

impl Kind {
    /// The kind in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Payload => "payload",
            Kind::Delivery => "delivery",
            Kind::NotAnEvent => "not-an-event",
            Kind::NoReply => "no-reply",
            Kind::Unrecognized => "unrecognized",
        }
    }
}

/// What a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The payload.
    Payload,
    /// The delivery's description, in the form that [`Delivery::describe`](crate::Delivery::describe) reads.
    Delivery,
}

/// Found text is quoted up to here.
const QUOTED: usize = 80;

impl Error {
    /// What kind of error this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What [`pointer`](Self::pointer) points into.
    pub fn document(&self) -> Document {
        self.document
    }

    /// Where: a JSON Pointer (RFC 6901); the empty one is the whole document.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What was expected there.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was found there.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Something wrong in the payload.
    pub fn payload(
        pointer: impl Into<String>,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
    ) -> Self {
        Error {
            kind: Kind::Payload,
            document: Document::Payload,
            pointer: pointer.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Something wrong in what surrounds the payload.
    pub fn delivery(
        pointer: impl Into<String>,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
    ) -> Self {
        Error {
            kind: Kind::Delivery,
            document: Document::Delivery,
            ..Error::payload(pointer, expected, found)
        }
    }

    /// A payload that no event can be made of, by its vendor's protocol.
    pub fn not_an_event(expected: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Error {
            kind: Kind::NotAnEvent,
            ..Error::payload("", expected, found)
        }
    }

    /// The same fault, of the document that describes the delivery.
    pub(crate) fn of_delivery(self) -> Self {
        Error {
            kind: Kind::Delivery,
            document: Document::Delivery,
            ..self
        }
    }

    /// The same fault, in a document that stands in another at a place.
    pub(crate) fn inside(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }

    pub(crate) fn no_reply(name: &str) -> Self {
        Error {
            kind: Kind::NoReply,
            ..Error::payload(
                "",
                "a source whose vendor expects an answer",
                format!("{name}, which expects none"),
            )
        }
    }

    pub(crate) fn unrecognized(expected: impl Into<Cow<'static, str>>, found: String) -> Self {
        Error {
            kind: Kind::Unrecognized,
            ..Error::payload("", expected, found)
        }
    }

    pub(crate) fn invalid_event(pointer: String, error: &InvalidEvent) -> Self {
        Error::payload(
            pointer,
            "a record that a valid event can be made of",
            error.to_string(),
        )
    }
}

/// What kind and where, the pointer as a URI fragment (RFC 6901), as spec/probe.md has an adapter say it:
/// `payload#/Records/0/eventID: expected a non-empty string, found nothing`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error {
            pointer,
            expected,
            found,
            ..
        } = self;
        f.write_str(self.kind.name())?;
        // Where only the whole can be meant, nothing is pointed at.
        if matches!(self.kind, Kind::Payload | Kind::Delivery) {
            write!(f, "#{}", percent::encoded(pointer, ":?"))?;
        }
        write!(f, ": expected {expected}, found {found}")
    }
}

/// Foreign text for an error: between backquotes, control characters escaped, cut.
pub(crate) fn quote(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(QUOTED)];
    let mut quoted = String::from("`");
    for c in cut.chars() {
        match c.is_control() {
            true => quoted.extend(c.escape_default()),
            false => quoted.push(c),
        }
    }
    quoted.push_str(if cut.len() < text.len() { "…`" } else { "`" });
    quoted
}
