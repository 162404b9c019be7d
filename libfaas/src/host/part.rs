//! What goes into a call, and what comes out.

use bytes::Bytes;

use crate::{Event, Message, Status};

/// A piece of one direction of a call: what a message carries for it, without the call's number.
///
/// The fields apply in the order in which they stand here. The first part with an `end` is the last.
///
/// ```
/// use libfaas::{Event, host::Part};
///
/// let event = Event::builder("1", "/shop", "order.placed").build()?;
/// let unary = Part::last(event);
/// assert!(unary.end.unwrap().is_ok());
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// An event, or with `more` its beginning.
    pub event: Option<Event>,
    /// A further piece of the data of the event that is unfinished.
    pub chunk: Option<Bytes>,
    /// The data of the event goes on in the `chunk` of a later part.
    pub more: bool,
    /// This direction of the call is finished.
    pub end: Option<Status>,
}

impl Part {
    /// A whole event that others may follow.
    pub fn event(event: Event) -> Self {
        Part {
            event: Some(event),
            ..Part::default()
        }
    }

    /// The last event of its direction: `event` and `end` OK.
    pub fn last(event: Event) -> Self {
        Part {
            end: Some(Status::ok()),
            ..Part::event(event)
        }
    }

    /// The end of its direction.
    pub fn end(status: Status) -> Self {
        Part {
            end: Some(status),
            ..Part::default()
        }
    }
}

impl From<Message> for Part {
    /// Drops the call's number, its context, `cancel` and `hello`.
    fn from(message: Message) -> Self {
        Part {
            event: message.event,
            chunk: message.chunk,
            more: message.more,
            end: message.end,
        }
    }
}
