//! Protobuf: `io.cloudevents.v1.CloudEvent` for events, `fsi.v1.Message` for messages.
//!
//! Read and written field by field: data stays where it is, and what the specification asks for
//! (merging, last values, validated text) is done here rather than by a generated type.

mod event;
mod message;
pub(crate) mod overlay;
pub(crate) mod view;
mod wire;
mod write;

use super::Received;
use crate::event::Piece;
use crate::text::Whole;
use crate::{Event, Violation};

pub(super) use write::{
    event as write_event, message as write_message, message_sharing as write_message_sharing,
};

/// Reads one `CloudEvent`.
pub(super) fn read_event(whole: Whole<'_>) -> Result<Event, Violation> {
    let mut draft = event::Draft::default();
    draft.merge(wire::Fields::new(whole.bytes(), 0), whole)?;
    draft.build(whole, Piece::Whole)
}

/// Reads one `Message`.
pub(super) fn read_message(whole: Whole<'_>) -> Result<Received, Violation> {
    let (message, draft) = message::read(whole)?;
    Ok(Received::new(
        message,
        draft.map(|draft| |piece| draft.build(whole, piece)),
    ))
}
