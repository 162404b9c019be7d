//! JSON as a vendor wrote it: read once, found by pointer, kept as text.
//!
//! No value is converted before a mapping asks for it, so no digit is lost and nothing that a
//! mapping does not name can trouble it. Where a member stands twice, the last one counts, as in
//! most readers.

mod parse;
mod value;

use libfaas::{Data, Event, JsonText};

use crate::Error;
use crate::error::quote;

pub use value::{Kind, Value};

/// A JSON document with an index of its values.
#[derive(Clone, Debug)]
pub struct Json<'a> {
    text: &'a str,
    /// Every value, before those that are in it.
    nodes: Vec<Node>,
}

/// Where a value stands in the text, and how to get past it.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// Of a member: its name between the quotes; else empty.
    name: (u32, u32),
    /// Index of the next value that is not inside this one.
    after: u32,
}

impl<'a> Json<'a> {
    /// Reads a document; a UTF-8 byte order mark is passed over.
    ///
    /// # Errors
    ///
    /// Bytes that are not one JSON value in UTF-8 of at most 128 levels and 4 GiB.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = text(bytes)?;
        let nodes = parse::nodes(text).map_err(|fault| {
            let rest = &text.as_bytes()[fault.at..];
            let found = match rest {
                [] => "the end of the text".to_owned(),
                rest => quote(&String::from_utf8_lossy(&rest[..rest.len().min(24)])),
            };
            let found = format!("{found} at byte {}", fault.at);
            Error::payload("", fault.expected, found)
        })?;
        Ok(Json { text, nodes })
    }

    /// The document's value.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, 0)
    }
}

/// A payload as text, without a byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Error> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let bad = &bytes[at..bytes.len().min(at + 4)];
        let found = format!("{} at byte {at}", data_encoding::HEXLOWER.encode(bad));
        Error::payload("", "UTF-8", found)
    })
}

/// A JSON string of this text.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON that was put together here.
pub(crate) fn made(text: String) -> JsonText {
    JsonText::new(text).expect("what is put together of JSON is JSON")
}

/// A result as a JSON value: JSON as it is, text as a string, bytes in base64.
pub(crate) fn of_result(event: &Event) -> String {
    match event.data() {
        None => "null".to_owned(),
        Some(Data::Json(json)) => json.as_str().to_owned(),
        Some(Data::Text(text)) => string(text),
        Some(Data::Binary(bytes) | Data::Proto { value: bytes, .. }) => {
            string(&data_encoding::BASE64.encode(bytes))
        }
    }
}
