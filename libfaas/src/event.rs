//! The envelope: a CloudEvent 1.0.

mod attributes;
mod builder;
mod data;
mod json_value;
mod pieces;
#[cfg(feature = "cloudevents-sdk")]
mod sdk;
mod timestamp;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::Text;

pub(crate) use attributes::{Attributes, Sorted, Unsorted, owned_name};
pub use builder::{EventBuilder, InvalidEvent};
pub(crate) use builder::{Piece, check_attribute, check_specversion, is_json};
pub use data::{Data, InvalidJson, JsonText};
#[cfg(feature = "cloudevents-sdk")]
pub use sdk::NotInSdk;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use value::AttributeValue;

/// A valid CloudEvent 1.0: immutable, and cheap to clone.
///
/// Equality is that of the meaning: timestamps compare by instant, JSON data by value.
///
/// ```
/// use libfaas::{Data, Event};
///
/// let event = Event::builder("1", "/shop", "order.placed")
///     .subject("42")
///     .attribute("priority", 3)
///     .datacontenttype("text/plain")
///     .data("two apples")
///     .build()?;
/// assert_eq!(event.ty(), "order.placed");
/// assert_eq!(event.data(), Some(&Data::Text("two apples".into())));
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Event(Arc<Parts>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) id: Text,
    pub(crate) source: Text,
    pub(crate) ty: Text,
    pub(crate) attributes: Attributes,
    pub(crate) data: Option<Data>,
}

impl Event {
    /// Starts an event with the attributes that every event has.
    pub fn builder(
        id: impl Into<Text>,
        source: impl Into<Text>,
        ty: impl Into<Text>,
    ) -> EventBuilder {
        EventBuilder::new(id.into(), source.into(), ty.into())
    }

    /// Identifies the event within its source.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Where the event happened: a URI-reference.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What kind of thing happened: the attribute `type`.
    pub fn ty(&self) -> &str {
        &self.0.ty
    }

    /// What within the source the event is about.
    pub fn subject(&self) -> Option<&str> {
        self.attribute("subject")?.as_str()
    }

    /// When it happened.
    pub fn time(&self) -> Option<&Timestamp> {
        match self.attribute("time")? {
            AttributeValue::Timestamp(time) => Some(time),
            _ => None,
        }
    }

    /// The media type of the data (RFC 2046).
    pub fn datacontenttype(&self) -> Option<&str> {
        self.attribute("datacontenttype")?.as_str()
    }

    /// The URI of the schema that the data follows.
    pub fn dataschema(&self) -> Option<&str> {
        self.attribute("dataschema")?.as_str()
    }

    /// An optional attribute or an extension by its name; the required ones have methods.
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.0.attributes.get(name)
    }

    /// All optional attributes and extensions, by name in ascending order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0
            .attributes
            .iter()
            .map(|(name, value)| (&**name, value))
    }

    /// The data, if the event has any.
    pub fn data(&self) -> Option<&Data> {
        self.0.data.as_ref()
    }

    /// A builder that starts with all that this event has.
    pub fn to_builder(&self) -> EventBuilder {
        EventBuilder::from(Parts::clone(&self.0))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            id,
            source,
            ty,
            attributes,
            data,
        } = &*self.0;
        let mut event = f.debug_struct("Event");
        event
            .field("id", id)
            .field("source", source)
            .field("type", ty);
        for (name, value) in attributes.iter() {
            event.field(name, value);
        }
        event.field("data", data).finish()
    }
}
