//! Events in pieces: put together for handlers of whole events, cut up for readers of messages.

use bytes::Bytes;

use crate::{Code, Data, Event, Status};

/// A step of a call's input, or of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An event begins.
    Event {
        /// The event, with the first piece of its data or, without `more`, all of it.
        event: Event,
        /// Its data goes on.
        more: bool,
    },
    /// The data of the event that was begun goes on.
    Chunk {
        /// The next bytes.
        bytes: Bytes,
        /// And goes on.
        more: bool,
    },
}

impl Piece {
    /// The same, if nothing follows it: then text of a JSON media type is JSON.
    pub(super) fn last(self) -> Result<Self, Status> {
        let more = false;
        Ok(match self {
            Piece::Event { event, .. } => Piece::Event {
                event: event.to_builder().build()?,
                more,
            },
            Piece::Chunk { bytes, .. } => Piece::Chunk { bytes, more },
        })
    }
}

/// Puts an event together.
pub(super) struct Assembly {
    limit: usize,
    event: Option<Event>,
    /// The data that came in chunks.
    rest: Vec<u8>,
}

impl Assembly {
    pub(super) fn new(limit: usize) -> Self {
        Assembly {
            limit,
            event: None,
            rest: Vec::new(),
        }
    }

    /// Adds a piece; the event, once it is complete. The order of pieces has been checked before.
    pub(super) fn add(&mut self, piece: Piece) -> Result<Option<Event>, Status> {
        let more = match piece {
            Piece::Event { event, more: false } => return Ok(Some(event)),
            Piece::Event { event, more } => {
                self.rest.clear();
                self.event = Some(event);
                more
            }
            Piece::Chunk { bytes, more } => {
                self.rest.extend_from_slice(&bytes);
                more
            }
        };
        let inline = self.event.as_ref().and_then(Event::data);
        if inline.map_or(0, |data| data.as_bytes().len()) + self.rest.len() > self.limit {
            let message = format!("the event's data is larger than {} bytes", self.limit);
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let Some(event) = self.event.take_if(|_| !more) else {
            return Ok(None);
        };
        let whole = event.complete(&std::mem::take(&mut self.rest));
        whole
            .map(Some)
            .map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))
    }
}

/// The event as it begins, to be followed by pieces of its data: binary unless it has text.
pub(super) fn first(event: Event) -> Result<Event, Status> {
    let all = event.split(usize::MAX);
    all.map(|(first, _)| first).ok_or_else(not_in_pieces)
}

/// An event in pieces: how it begins, and all of its data.
pub(super) fn split(event: &Event) -> Result<(Event, Bytes), Status> {
    event.split(0).ok_or_else(not_in_pieces)
}

/// Whether the data is JSON, or will be once it is whole.
pub(super) fn is_json(event: &Event) -> bool {
    let json_type = event.datacontenttype().is_some_and(crate::event::is_json);
    match event.data() {
        Some(Data::Json(_)) => true,
        Some(Data::Text(_)) => json_type,
        _ => false,
    }
}

fn not_in_pieces() -> Status {
    Status::new(
        Code::ResourceExhausted,
        "a Protobuf message as data can't be written in pieces, and is too large for one",
    )
}
