//! Binary mode: an event as environment variables and raw data.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use bytes::Bytes;

use crate::error::{Rule, quote};
use crate::event::{check_specversion, is_json};
use crate::{AttributeValue, Data, Event, InvalidEvent, JsonText, Text};

/// Bytes that one attribute may have in binary mode.
pub const MAX_ATTRIBUTE_BYTES: usize = 32_000;
/// Bytes that all attributes of an event may have in binary mode, names and values together.
pub const MAX_ATTRIBUTES_BYTES: usize = 65_536;

/// The variables `CE_…` for an event, as a host sets them.
///
/// ```
/// use libfaas::{Event, binary};
///
/// let event = Event::builder("1", "/shop", "order.placed").attribute("priority", 3).build()?;
/// let vars = binary::to_vars(&event)?;
/// assert_eq!(vars["CE_TYPE"], "order.placed");
/// assert_eq!(vars["CE_PRIORITY"], "3");
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
///
/// # Errors
///
/// An attribute above [`MAX_ATTRIBUTE_BYTES`], attributes above [`MAX_ATTRIBUTES_BYTES`] in all: the
/// invocation ends with INVALID_ARGUMENT.
pub fn to_vars(event: &Event) -> Result<BTreeMap<String, String>, InvalidEvent> {
    let required = [
        ("specversion", "1.0"),
        ("id", event.id()),
        ("source", event.source()),
        ("type", event.ty()),
    ];
    let required = required.map(|(name, value)| (name, value.to_owned()));
    let optional = event
        .attributes()
        .map(|(name, value)| (name, value.to_string()));
    let mut vars = BTreeMap::new();
    let mut total = 0;
    for (name, value) in required.into_iter().chain(optional) {
        total += name.len() + value.len();
        if value.len() > MAX_ATTRIBUTE_BYTES || total > MAX_ATTRIBUTES_BYTES {
            let expected = "at most 32000 bytes of one attribute and 65536 of all";
            let came = format!("{} and {total} so far", value.len());
            return Err(InvalidEvent::new(Rule::BinaryLimit, name, expected, came));
        }
        vars.insert(format!("CE_{}", name.to_ascii_uppercase()), value);
    }
    Ok(vars)
}

/// The event that a function in binary mode gets, from its variables and all of its stdin.
/// Extensions are Strings: the environment has no types. Other variables are ignored.
///
/// # Errors
///
/// Variables that make no valid event.
pub fn from_vars<K, V>(
    vars: impl IntoIterator<Item = (K, V)>,
    stdin: Bytes,
) -> Result<Event, InvalidEvent>
where
    K: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    let mut event = Event::builder("", "", "");
    let mut specversion = None;
    let mut media_type = None;
    for (name, value) in vars {
        let Some(name) = name
            .as_ref()
            .to_str()
            .and_then(|name| name.strip_prefix("CE_"))
        else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let value = value.as_ref();
        let Some(text) = value.to_str() else {
            let came = quote(value.as_encoded_bytes());
            return Err(InvalidEvent::new(Rule::EventText, &name, "UTF-8", came));
        };
        event = match name.as_str() {
            "specversion" => {
                specversion = Some(text.to_owned());
                event
            }
            "id" => event.id(text),
            "source" => event.source(text),
            "type" => event.ty(text),
            "time" => event.time(text),
            "dataschema" => event.dataschema(text),
            "datacontenttype" => {
                media_type = Some(text.to_owned());
                event.datacontenttype(text)
            }
            name => event.attribute(name, text),
        };
    }
    check_specversion(specversion.as_deref())?;
    match data(media_type.as_deref(), stdin) {
        Some(data) => event.data(data).build(),
        None => event.build(),
    }
}

/// What the result of a function in binary mode is made of, besides its stdout.
#[derive(Clone, Debug, Default)]
pub struct ResultParts<'a> {
    /// The invocation's id; the result's is this with `/1`.
    pub invocation_id: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// The id of the input event.
    pub input_id: &'a str,
    /// Of the manifest's first `produces`, if it has any.
    pub ty: Option<&'a str>,
    /// Of the manifest's first `produces`.
    pub datacontenttype: Option<&'a str>,
    /// Of the manifest's first `produces`.
    pub dataschema: Option<&'a str>,
}

/// The one result event of a process in binary mode that exited with status 0.
///
/// ```
/// use libfaas::binary::{ResultParts, result};
///
/// let parts = ResultParts { invocation_id: "i", function: "shout", input_id: "7", ..Default::default() };
/// let event = result(&parts, "HELLO".into())?;
/// assert_eq!((event.id(), event.source(), event.ty()), ("i/1", "/shout", "shout"));
/// assert_eq!(event.attribute("causationid").unwrap().as_str(), Some("7"));
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
///
/// # Errors
///
/// Parts that make no valid event, such as a `dataschema` that is no URI.
pub fn result(parts: &ResultParts<'_>, stdout: Bytes) -> Result<Event, InvalidEvent> {
    let (id, source) = (
        format!("{}/1", parts.invocation_id),
        format!("/{}", parts.function),
    );
    let mut event = Event::builder(id, source, parts.ty.unwrap_or(parts.function))
        .attribute("causationid", AttributeValue::String(parts.input_id.into()));
    if let Some(media_type) = parts.datacontenttype {
        event = event.datacontenttype(media_type);
    }
    if let Some(schema) = parts.dataschema {
        event = event.dataschema(schema);
    }
    match data(parts.datacontenttype, stdout) {
        Some(data) => event.data(data).build(),
        None => event.build(),
    }
}

/// Text for `text/*`, JSON for a JSON type, when the bytes are that; else binary. No bytes are no data.
fn data(media_type: Option<&str>, bytes: Bytes) -> Option<Data> {
    if bytes.is_empty() {
        return None;
    }
    let media_type = media_type.unwrap_or_default();
    let json = is_json(media_type);
    let starts_text = media_type
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    if !json && !starts_text {
        return Some(Data::Binary(bytes));
    }
    Some(match Text::try_from(bytes.clone()) {
        Ok(text) if json => JsonText::new(text).map_or(Data::Binary(bytes), Data::Json),
        Ok(text) => Data::Text(text),
        Err(_) => Data::Binary(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let event = Event::builder("1", "/s", "t")
            .subject("é")
            .time("2026-10-01T12:00:00.10+02:00")
            .dataschema("urn:x")
            .datacontenttype("application/json")
            .attribute("ext", "v")
            .data("[1.10]")
            .build()
            .unwrap();
        let vars = to_vars(&event).unwrap();
        assert_eq!(vars["CE_TIME"], "2026-10-01T12:00:00.10+02:00");
        let data = Bytes::copy_from_slice(event.data().unwrap().as_bytes());
        assert_eq!(from_vars(&vars, data).unwrap(), event);
    }

    #[test]
    fn attributes_are_bounded() {
        let sized = |size: usize, count: usize| {
            let event = Event::builder("1", "/s", "t");
            (0..count).fold(event, |event, n| {
                event.attribute(format!("x{n}"), "v".repeat(size))
            })
        };
        assert!(to_vars(&sized(32_000, 2).build().unwrap()).is_ok());
        for (size, count) in [(32_001, 1), (22_000, 3)] {
            let fault = to_vars(&sized(size, count).build().unwrap()).unwrap_err();
            assert_eq!(fault.rule(), "binary-attribute-limit");
        }
    }

    #[test]
    fn data_is_what_its_bytes_allow() {
        let data = |media_type, bytes: &'static [u8]| data(media_type, Bytes::from_static(bytes));
        assert_eq!(data(Some("text/csv"), b""), None);
        assert_eq!(data(Some("Text/csv"), b"a"), Some(Data::Text("a".into())));
        assert_eq!(
            data(Some("text/csv"), b"\xFF"),
            Some(Data::Binary(Bytes::from_static(b"\xFF")))
        );
        assert!(matches!(
            data(Some("application/json"), b"{}"),
            Some(Data::Json(_))
        ));
        assert!(matches!(
            data(Some("application/json"), b"{"),
            Some(Data::Binary(_))
        ));
        assert!(matches!(data(None, b"{}"), Some(Data::Binary(_))));
    }
}
