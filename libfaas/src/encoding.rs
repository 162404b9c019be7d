//! The three encodings: event documents, messages, and the streams of them.

pub(crate) mod json;

use std::fmt;
use std::str::FromStr;

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
