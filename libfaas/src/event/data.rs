//! The data of an event.

use bytes::Bytes;

use super::json_value;
use crate::Text;
use crate::encoding::json::reader::{Raw, Reader};
use crate::text::Whole;

/// An event's data.
///
/// Text with a JSON `datacontenttype` is always [`Data::Json`] in a built event; binary data with
/// a JSON `datacontenttype` stays binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Bytes.
    Binary(Bytes),
    /// Text whose `datacontenttype` is not JSON.
    Text(Text),
    /// A JSON value, as the text it came in.
    Json(JsonText),
    /// A Protobuf message of a named type (`google.protobuf.Any`).
    Proto {
        /// The URL that names the type, like `type.googleapis.com/example.Order`.
        type_url: String,
        /// The encoded message.
        value: Bytes,
    },
}

impl Data {
    /// The bytes that binary mode writes: bytes as they are, text and JSON as UTF-8, a Protobuf
    /// message in its encoding.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Data::Binary(bytes) | Data::Proto { value: bytes, .. } => bytes,
            Data::Text(text) => text.as_str().as_bytes(),
            Data::Json(json) => json.as_str().as_bytes(),
        }
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Data::Binary(bytes)
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Data::Binary(bytes.into())
    }
}

impl From<&[u8]> for Data {
    fn from(bytes: &[u8]) -> Self {
        Data::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Data::Text(text.into())
    }
}

impl From<Text> for Data {
    fn from(text: Text) -> Self {
        Data::Text(text)
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Data::Text(text.into())
    }
}

impl From<JsonText> for Data {
    fn from(json: JsonText) -> Self {
        Data::Json(json)
    }
}

/// A JSON value as text (RFC 8259), validated once and kept, so that no digit of a number is lost.
///
/// Equality is that of the values: the order of members, white space and the spelling of a number
/// (`1.0`, `1e0`) do not count, each of its digits does.
///
/// ```
/// use libfaas::JsonText;
///
/// let json = JsonText::new(r#"{"n": 12345678901234567890.10}"#)?;
/// assert_eq!(json.as_str(), r#"{"n": 12345678901234567890.10}"#);
/// assert_eq!(json, JsonText::new(r#"{ "n":12345678901234567890.1 }"#)?);
/// # Ok::<(), libfaas::InvalidJson>(())
/// ```
#[derive(Clone, Debug)]
pub struct JsonText {
    text: Text,
    levels: usize,
}

/// The text is no JSON value, or is nested too deeply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one JSON value (RFC 8259) of at most 128 levels, got {reason}")]
pub struct InvalidJson {
    pub(crate) reason: String,
}

impl JsonText {
    /// Checks that `text` is one JSON value of at most 128 levels.
    pub fn new(text: impl Into<Text>) -> Result<Self, InvalidJson> {
        let text = text.into();
        match Reader::new(&text, 128).document_value() {
            Ok(value) => Ok(JsonText {
                levels: value.levels,
                text,
            }),
            Err(fault) => Err(InvalidJson {
                reason: fault.came().to_owned(),
            }),
        }
    }

    /// For text that a decoder has checked as a part of its document.
    pub(crate) fn checked(value: Raw<'_>, whole: Whole<'_>) -> Self {
        JsonText {
            text: whole.text(value.text),
            levels: value.levels,
        }
    }

    /// How deep arrays and objects nest.
    pub(crate) fn levels(&self) -> usize {
        self.levels
    }

    /// The text, as it came, sharing its bytes.
    pub(crate) fn text(&self) -> &Text {
        &self.text
    }

    /// The text, as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads the value as `T`.
    pub fn parse<'de, T: serde::Deserialize<'de>>(&'de self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || json_value::equal(&self.text, &other.text)
    }
}

impl Eq for JsonText {}
