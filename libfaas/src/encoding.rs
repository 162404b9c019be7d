//! The three encodings: event documents, messages, and the streams of them.

mod capnp;
mod frames;
mod hello;
pub(crate) mod json;
mod protobuf;
mod stream;
mod view;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

pub use protobuf::overlay::Overlay;
pub use stream::{EventDecoder, MessageDecoder, Received};
pub use view::{DataView, EventView, ValueView};

use crate::error::Rule;
use crate::text::Whole;
use crate::{Event, Limits, Message, Violation};

/// How events and messages are written (`FAAS_ENCODING`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// CloudEvents' JSON format; a document a line.
    Json,
    /// CloudEvents' Protobuf format; varint-delimited.
    Protobuf,
    /// This project's Cap'n Proto schema; standard stream framing, unpacked.
    Capnp,
}

/// What stands on stdin and stdout (`FAAS_MODE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The event's data, raw; one invocation.
    Binary,
    /// Event documents; one invocation.
    Structured,
    /// Messages; many invocations.
    Stream,
}

macro_rules! names {
    ($ty:ident { $($variant:ident = $name:literal),+ }) => {
        impl $ty {
            /// All of them.
            pub const ALL: &[$ty] = &[$($ty::$variant),+];

            /// The name in the environment and in manifests.
            pub const fn name(self) -> &'static str {
                match self { $($ty::$variant => $name),+ }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $ty {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                $ty::ALL.iter().copied().find(|one| one.name() == name).ok_or(UnknownName)
            }
        }
    };
}

names! { Encoding { Json = "json", Protobuf = "protobuf", Capnp = "capnp" } }
names! { Mode { Binary = "binary", Structured = "structured", Stream = "stream" } }

/// A name that stands for no mode or encoding of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name that this version of the specification does not have")]
pub struct UnknownName;

/// Appends an event document with its delimiter, as structured mode has it.
pub fn encode_event(event: &Event, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => {
            json::write_event(event, out);
            out.push(b'\n');
        }
        Encoding::Protobuf => protobuf::write_event(event, true, out),
        // The segment table that every document begins with is the delimiter.
        Encoding::Capnp => capnp::write_event(event, out),
    }
}

/// Appends a message with its delimiter, as stream mode has it.
///
/// The caller sees to the message limit: compare the bytes appended with it, and write large data
/// in pieces.
pub fn encode_message(message: &Message, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => {
            json::write_message(message, out);
            out.push(b'\n');
        }
        Encoding::Protobuf => protobuf::write_message(message, out),
        Encoding::Capnp => capnp::write_message(message, out),
    }
}

/// A message with its delimiter, whose large data is shared and not copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// Data, and before which of the bytes it belongs.
    shared: Option<(usize, Bytes)>,
    framing: usize,
}

impl Encoded {
    pub(crate) fn new(message: &Message, encoding: Encoding) -> Self {
        let mut bytes = Vec::new();
        let shared = encode_sharing(message, encoding, &mut bytes);
        Encoded {
            framing: framing(&bytes, encoding),
            bytes,
            shared,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.shared.as_ref().map_or(0, |(_, shared)| shared.len())
    }

    /// How many of the bytes count towards the message limit.
    pub(crate) fn counted(&self) -> usize {
        self.len() - self.framing
    }

    /// The bytes in their order, for a vectored write. What is not shared is all in the first.
    pub(crate) fn slices(&self) -> [&[u8]; 3] {
        match &self.shared {
            Some((at, shared)) => [&self.bytes[..*at], shared, &self.bytes[*at..]],
            None => [&self.bytes, &[], &[]],
        }
    }
}

/// As [`encode_message`], but for large data: it is left out, and comes back with the place in `out`
/// that it belongs to.
pub(crate) fn encode_sharing(
    message: &Message,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Option<(usize, Bytes)> {
    match encoding {
        Encoding::Protobuf => protobuf::write_message_sharing(message, out),
        Encoding::Json | Encoding::Capnp => {
            encode_message(message, encoding, out);
            None
        }
    }
}

/// How many bytes of an encoded message are not the message but say where it ends.
pub(crate) fn framing(bytes: &[u8], encoding: Encoding) -> usize {
    match encoding {
        Encoding::Json => 1,
        Encoding::Protobuf => bytes.iter().take_while(|&&b| b & 0x80 != 0).count() + 1,
        Encoding::Capnp => {
            let segments = bytes
                .first_chunk()
                .map_or(1, |&count| u32::from_le_bytes(count) as usize + 1);
            (4 + 4 * segments).next_multiple_of(8)
        }
    }
}

fn read_event(whole: Whole<'_>, encoding: Encoding, limits: &Limits) -> Result<Event, Violation> {
    match encoding {
        Encoding::Json => json::read_event(whole, limits),
        Encoding::Protobuf => protobuf::read_event(whole),
        Encoding::Capnp => capnp::read_event(whole, limits),
    }
}

fn read_message(
    whole: Whole<'_>,
    encoding: Encoding,
    limits: &Limits,
) -> Result<Received, Violation> {
    match encoding {
        Encoding::Json => json::read_message(whole, limits),
        Encoding::Protobuf => protobuf::read_message(whole),
        Encoding::Capnp => capnp::read_message(whole, limits),
    }
}

fn check_size(bytes: usize, limits: &Limits) -> Result<(), Violation> {
    let limit = limits.max_message_bytes;
    if bytes <= limit {
        return Ok(());
    }
    let expected = format!("at most {limit} bytes in one document or message");
    Err(Violation::new(Rule::Limit, 0, expected, bytes.to_string()))
}

/// Single documents, without a delimiter.
impl Event {
    /// Reads an event document: JSON, a Protobuf `CloudEvent`, or a framed Cap'n Proto `Event`.
    /// Data of the binary encodings shares the bytes given, unless it is less than an eighth of them.
    ///
    /// # Errors
    ///
    /// Bytes that are malformed, or whose event is invalid ([`Violation::is_invalid_event`]).
    pub fn decode(
        bytes: impl Into<Bytes>,
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Event, Violation> {
        let bytes = bytes.into();
        check_size(bytes.len(), limits)?;
        read_event(Whole::Shared(&bytes), encoding, limits)
    }

    /// Writes an event document: JSON, a Protobuf `CloudEvent`, or a framed Cap'n Proto `Event`.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        match encoding {
            Encoding::Json => json::write_event(self, &mut out),
            Encoding::Protobuf => protobuf::write_event(self, false, &mut out),
            Encoding::Capnp => capnp::write_event(self, &mut out),
        }
        out
    }

    /// Reads an event in CloudEvents' JSON format, with default limits.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn from_json(text: impl Into<Bytes>) -> Result<Event, Violation> {
        Event::decode(text, Encoding::Json, &Limits::default())
    }

    /// Writes the event in CloudEvents' JSON format, on one line.
    pub fn to_json(&self) -> String {
        String::from_utf8(self.encode(Encoding::Json)).expect("JSON is made of text")
    }
}
