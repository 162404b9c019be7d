//! What comes of a delivery, and what goes back.

use bytes::Bytes;
use libfaas::{Event, JsonText};

/// What a delivery holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One for each record, in order.
    pub events: Vec<Event>,
    /// What the delivery is besides, or instead of, events.
    pub notice: Option<Notice>,
}

impl Outcome {
    /// A delivery that is no event.
    pub fn notice(notice: Notice) -> Self {
        Outcome {
            events: Vec::new(),
            notice: Some(notice),
        }
    }
}

impl From<Vec<Event>> for Outcome {
    fn from(events: Vec<Event>) -> Self {
        Outcome {
            events,
            notice: None,
        }
    }
}

impl From<Event> for Outcome {
    fn from(event: Event) -> Self {
        vec![event].into()
    }
}

/// A message between the vendor and whoever receives for the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What kind of message.
    pub kind: NoticeKind,
    /// What it is, for people.
    pub what: String,
    /// What the vendor requires back.
    pub reply: Option<Response>,
}

/// Kinds of messages that are about the delivery itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// The vendor wants a proof that deliveries are welcome.
    Handshake,
    /// The vendor tries out whether deliveries arrive.
    Test,
    /// The vendor says how far it has come with what it delivers.
    Progress,
}

impl NoticeKind {
    /// The kind in one word.
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::Handshake => "handshake",
            NoticeKind::Test => "test",
            NoticeKind::Progress => "progress",
        }
    }
}

/// What a vendor gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// What an invocation returns: one JSON value.
    Value(JsonText),
    /// The response to an HTTP request.
    Http {
        /// The status code.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// A request that the receiver itself has to make: GET this URL.
    Visit(String),
}
