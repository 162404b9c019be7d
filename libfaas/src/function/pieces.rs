//! Events in pieces: put together for handlers of whole events, cut up for readers of messages.

use bytes::Bytes;

use crate::event::Piece as Part;
use crate::{Code, Data, Encoding, Event, Status};

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
    pub(super) fn last(mut self) -> Self {
        match &mut self {
            Piece::Event { more, .. } | Piece::Chunk { more, .. } => *more = false,
        }
        self
    }
}

/// Puts an event together.
pub(super) struct Assembly {
    limit: usize,
    event: Option<Event>,
    data: Vec<u8>,
}

impl Assembly {
    pub(super) fn new(limit: usize) -> Self {
        Assembly {
            limit,
            event: None,
            data: Vec::new(),
        }
    }

    /// Adds a piece; the event, once it is complete. The order of pieces has been checked before.
    pub(super) fn add(&mut self, piece: Piece) -> Result<Option<Event>, Status> {
        let more = match piece {
            Piece::Event { event, more: false } => return Ok(Some(event)),
            Piece::Event { event, more } => {
                self.data = event
                    .data()
                    .map_or_else(Vec::new, |data| data.as_bytes().to_vec());
                self.event = Some(event);
                more
            }
            Piece::Chunk { bytes, more } => {
                self.data.extend_from_slice(&bytes);
                more
            }
        };
        if self.data.len() > self.limit {
            let message = format!("the event's data is larger than {} bytes", self.limit);
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let Some(event) = self.event.take_if(|_| !more) else {
            return Ok(None);
        };
        let data = std::mem::take(&mut self.data);
        let invalid = |reason: String| Status::new(Code::InvalidArgument, reason);
        let data = match event.data() {
            Some(Data::Text(_)) => Data::Text(String::from_utf8(data).map_err(|error| {
                invalid(format!(
                    "the pieces of the event's text are not UTF-8: {} (rule chunk-text)",
                    error.utf8_error()
                ))
            })?),
            _ => Data::Binary(data.into()),
        };
        event
            .to_builder()
            .data(data)
            .build()
            .map(Some)
            .map_err(|error| invalid(error.to_string()))
    }
}

/// The event as it begins, to be followed by pieces of its data: binary unless it has text.
pub(super) fn first(event: Event) -> Result<Event, Status> {
    let data = match event.data() {
        None => Data::Binary(Bytes::new()),
        Some(Data::Binary(_) | Data::Text(_)) => return Ok(event),
        Some(Data::Json(json)) => Data::Text(json.as_str().to_owned()),
        Some(Data::Proto { .. }) => return Err(not_in_pieces()),
    };
    Ok(begin(&event, data)?)
}

/// An event in pieces: how it begins, and all of its data.
pub(super) fn split(event: &Event, encoding: Encoding) -> Result<(Event, Bytes), Status> {
    let (mut empty, data) = match event.data() {
        None => (Data::Binary(Bytes::new()), Bytes::new()),
        Some(Data::Binary(bytes)) => (Data::Binary(Bytes::new()), bytes.clone()),
        Some(Data::Text(text)) => (Data::Text(String::new()), text.clone().into()),
        Some(Data::Json(json)) => (Data::Text(String::new()), json.as_str().to_owned().into()),
        Some(Data::Proto { .. }) => return Err(not_in_pieces()),
    };
    if encoding == Encoding::Json && is_json(event) {
        // A JSON message has no place for half a JSON value, so it is written as bytes there.
        empty = Data::Binary(Bytes::new());
    }
    Ok((begin(event, empty)?, data))
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

fn begin(event: &Event, data: Data) -> Result<Event, crate::InvalidEvent> {
    let json = matches!(event.data(), Some(Data::Json(_))) && event.datacontenttype().is_none();
    let builder = event.to_builder().data(data);
    let builder = if json {
        builder.datacontenttype("application/json")
    } else {
        builder
    };
    builder.build_piece(Part::First)
}

fn not_in_pieces() -> Status {
    Status::new(
        Code::ResourceExhausted,
        "a Protobuf message as data can't be written in pieces, and is too large for one",
    )
}
