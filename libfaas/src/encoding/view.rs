//! A borrowed event: read where it stands, without allocating.

use super::{capnp, protobuf};
use crate::error::{Rule, Violation};
use crate::event::check_specversion;
use crate::text::Whole;
use crate::{AttributeValue, Data, InvalidEvent, Limits, Timestamp};

/// An event in Protobuf or Cap'n Proto, read in place: nothing is copied and nothing allocated.
///
/// What [`Event`](crate::Event) validates beyond the encoding is not validated here, but for the
/// attributes that every event has: a router looks at a few attributes and passes the bytes on.
///
/// ```
/// use libfaas::{DataView, Encoding, Event, EventView, Limits, ValueView};
///
/// let event = Event::builder("1", "/shop", "order.placed").subject("42").data(&b"apples"[..]).build()?;
/// let bytes = event.encode(Encoding::Capnp);
/// let view = EventView::capnp(&bytes, &Limits::default())?;
/// assert_eq!(view.ty(), "order.placed");
/// assert_eq!(view.attribute("subject"), Some(ValueView::String("42")));
/// assert_eq!(view.data(), Some(DataView::Binary(b"apples")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventView<'a>(View<'a>);

enum View<'a> {
    Protobuf(protobuf::view::View<'a>),
    Capnp(capnp::view::View<'a>),
}

macro_rules! delegate {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $ty:ty)?) -> $result:ty),+ $(,)?) => {
        $($(#[$doc])*
        pub fn $name(&self $(, $argument: $ty)?) -> $result {
            match &self.0 {
                View::Protobuf(view) => view.$name($($argument)?),
                View::Capnp(view) => view.$name($($argument)?),
            }
        })+
    };
}

impl<'a> EventView<'a> {
    /// Views a `CloudEvent` in Protobuf, without a delimiter.
    ///
    /// # Errors
    ///
    /// Malformed bytes, and events that lack a required attribute.
    pub fn protobuf(bytes: &'a [u8]) -> Result<Self, Violation> {
        protobuf::view::View::new(bytes).map(|view| EventView(View::Protobuf(view)))
    }

    /// Views a framed `Event` in Cap'n Proto.
    ///
    /// # Errors
    ///
    /// Malformed bytes, and events that lack a required attribute or hold a value of an unknown kind.
    pub fn capnp(bytes: &'a [u8], limits: &Limits) -> Result<Self, Violation> {
        capnp::view::View::new(bytes, limits).map(|view| EventView(View::Capnp(view)))
    }

    delegate! {
        /// Identifies the event within its source.
        id() -> &str,
        /// Where the event happened.
        source() -> &str,
        /// What kind of thing happened: the attribute `type`.
        ty() -> &str,
        /// An optional attribute or an extension by its name.
        attribute(name: &str) -> Option<ValueView<'_>>,
        /// The data, if the event has any.
        data() -> Option<DataView<'_>>,
    }
}

/// An attribute's value, borrowed from an encoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueView<'a> {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Text.
    String(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// An absolute URI, not checked.
    Uri(&'a str),
    /// A URI-reference, not checked.
    UriRef(&'a str),
    /// A moment, its range not checked.
    Timestamp {
        /// Since the Unix epoch.
        seconds: i64,
        /// Counting forward.
        nanos: i32,
    },
}

impl ValueView<'_> {
    /// The value on its own, from `whole`, which it was borrowed from.
    #[inline]
    pub(super) fn owned(
        self,
        name: &str,
        whole: Whole<'_>,
    ) -> Result<AttributeValue, InvalidEvent> {
        Ok(match self {
            ValueView::Boolean(value) => AttributeValue::Boolean(value),
            ValueView::Integer(value) => AttributeValue::Integer(value),
            ValueView::String(text) => AttributeValue::String(whole.text(text)),
            ValueView::Binary(bytes) => AttributeValue::Binary(whole.part(bytes)),
            ValueView::Uri(text) => AttributeValue::Uri(whole.text(text)),
            ValueView::UriRef(text) => AttributeValue::UriRef(whole.text(text)),
            ValueView::Timestamp { seconds, nanos } => {
                let moment = u32::try_from(nanos).ok();
                let moment = moment.and_then(|nanos| Timestamp::from_unix(seconds, nanos));
                AttributeValue::Timestamp(moment.ok_or_else(|| {
                    let expected = "a time in the years 1 to 9999 with 0 to 999999999 nanoseconds";
                    let came = format!("{seconds} s and {nanos} ns");
                    InvalidEvent::new(Rule::ProtobufTime, name, expected, came)
                })?)
            }
        })
    }
}

/// An event's data, borrowed from its encoding. JSON data is text here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataView<'a> {
    /// Bytes.
    Binary(&'a [u8]),
    /// Text, or JSON if the `datacontenttype` says so.
    Text(&'a str),
    /// A Protobuf message of a named type.
    Proto {
        /// The URL that names the type.
        type_url: &'a str,
        /// The encoded message.
        value: &'a [u8],
    },
}

impl DataView<'_> {
    /// The data on its own, from `whole`, which it was borrowed from.
    pub(super) fn owned(self, whole: Whole<'_>) -> Data {
        match self {
            DataView::Binary(bytes) => Data::Binary(whole.part(bytes)),
            DataView::Text(text) => Data::Text(whole.text(text)),
            DataView::Proto { type_url, value } => Data::Proto {
                type_url: type_url.to_owned(),
                value: whole.part(value),
            },
        }
    }
}

/// Whether an event has what every event has.
#[inline]
pub(super) fn required(
    id: &str,
    source: &str,
    specversion: &str,
    ty: &str,
) -> Result<(), InvalidEvent> {
    check_specversion(Some(specversion))?;
    let name = match (id, source, ty) {
        ("", _, _) => "id",
        (_, "", _) => "source",
        (_, _, "") => "type",
        _ => return Ok(()),
    };
    Err(InvalidEvent::new(
        Rule::EventRequired,
        name,
        "non-empty text",
        "none",
    ))
}
