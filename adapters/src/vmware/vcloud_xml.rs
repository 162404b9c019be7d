//! The XML form of vCloud Director's notifications.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::vcloud::Notification;
use crate::error::quote;
use crate::{Error, time};

/// What a document says.
///
/// # Errors
///
/// A document that is no `Notification`, or has no type, no identifier or no organization.
pub(super) fn read(text: &str) -> Result<Notification, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut root = None;
    let (mut org, mut entity) = (None, None);
    let (mut time, mut success) = (None, None);
    let mut element = Vec::new();
    let mut depth = 0usize;
    loop {
        let fault = |reader: &Reader<&[u8]>, error: quick_xml::Error| {
            let found = format!("{error} at byte {}", reader.error_position());
            Error::payload("", "well-formed XML", found)
        };
        match reader.read_event().map_err(|error| fault(&reader, error))? {
            Event::Start(start) => {
                depth += 1;
                element = start.local_name().as_ref().to_vec();
                match (depth, element.as_slice()) {
                    (1, b"Notification") => root = Some(attributes(&start)?),
                    (1, _) => break,
                    (2, b"EntityLink") => {
                        let mut link = attributes(&start)?;
                        let is = |name, value| {
                            link.get(name).is_some_and(|found: &String| found == value)
                        };
                        let (is_entity, is_org) = (is("rel", "entity"), is("type", "vcloud:org"));
                        let id = link.remove("id");
                        match () {
                            () if is_entity => entity = entity.or(id),
                            () if is_org => org = org.or(id),
                            () => {}
                        }
                    }
                    _ => {}
                }
            }
            Event::Text(content) if depth == 2 => {
                let content = content
                    .decode()
                    .map_err(|error| fault(&reader, error.into()))?;
                match element.as_slice() {
                    b"Timestamp" => time = time::from_text(content.trim()),
                    b"OperationSuccess" => success = content.trim().parse().ok(),
                    _ => {}
                }
            }
            Event::End(_) => {
                depth -= 1;
                element.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut root =
        root.ok_or_else(|| Error::payload("", "an XML element `Notification`", quote(text)))?;
    if depth > 0 {
        return Err(Error::payload(
            "",
            "well-formed XML",
            "its end before the end of `Notification`",
        ));
    }
    let mut need = |name: &str| {
        let value = root.remove(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            Error::payload(
                "",
                format!("an attribute `{name}` of `Notification`"),
                "nothing",
            )
        })
    };
    Ok(Notification {
        id: need("eventId")?,
        ty: need("type")?,
        org: org.filter(|org| !org.is_empty()).ok_or_else(|| {
            Error::payload(
                "",
                "an `EntityLink` of type `vcloud:org` with an `id`",
                "none",
            )
        })?,
        entity,
        time,
        success,
    })
}

fn attributes(start: &BytesStart<'_>) -> Result<BTreeMap<String, String>, Error> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let wrong = |error: String| Error::payload("", "well-formed XML attributes", error);
        let attribute = attribute.map_err(|error| wrong(error.to_string()))?;
        let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| wrong(error.to_string()))?;
        attributes.insert(name, value.into_owned());
    }
    Ok(attributes)
}
