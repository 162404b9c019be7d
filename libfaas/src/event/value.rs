//! Attribute values: CloudEvents' type system.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;

use super::Timestamp;
use crate::Text;

/// A value of one of CloudEvents' seven attribute types (CloudEvents 1.0, "Type System").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Unicode text without control characters and noncharacters.
    String(Text),
    /// Bytes; base64 where an encoding has only text.
    Binary(Bytes),
    /// An absolute URI (RFC 3986 section 4.3, a fragment is allowed).
    Uri(Text),
    /// A URI-reference (RFC 3986 section 4.1).
    UriRef(Text),
    /// A moment (RFC 3339).
    Timestamp(Timestamp),
}

impl AttributeValue {
    /// CloudEvents' name of the value's type.
    pub fn type_name(&self) -> &'static str {
        match self {
            AttributeValue::Boolean(_) => "Boolean",
            AttributeValue::Integer(_) => "Integer",
            AttributeValue::String(_) => "String",
            AttributeValue::Binary(_) => "Binary",
            AttributeValue::Uri(_) => "URI",
            AttributeValue::UriRef(_) => "URI-reference",
            AttributeValue::Timestamp(_) => "Timestamp",
        }
    }

    /// The text of a String, URI or URI-reference.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            AttributeValue::String(text)
            | AttributeValue::Uri(text)
            | AttributeValue::UriRef(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for AttributeValue {
    /// CloudEvents' canonical string of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Boolean(value) => value.fmt(f),
            AttributeValue::Integer(value) => value.fmt(f),
            AttributeValue::Binary(bytes) => BASE64.encode_display(bytes).fmt(f),
            AttributeValue::Timestamp(moment) => moment.fmt(f),
            AttributeValue::String(text)
            | AttributeValue::Uri(text)
            | AttributeValue::UriRef(text) => f.write_str(text),
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for AttributeValue {
            fn from(value: $from) -> Self {
                AttributeValue::$variant(value.into())
            }
        })+
    };
}

from! { bool => Boolean, i32 => Integer, &str => String, String => String, Text => String, Bytes => Binary, Vec<u8> => Binary, Timestamp => Timestamp }
