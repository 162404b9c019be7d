//! What goes into a call: parts become messages, cut to what the function can take.

use bytes::Bytes;

use super::call::{Input, Sent, data_bytes};
use super::{Part, Session, Timer};
use crate::event::is_json;
use crate::{Cancel, Code, Data, Event, Message, Status};

/// Data in one message, where an event is written in pieces (`chunk-size`).
const PIECE: usize = 256 << 10;
/// Room in a message for what is not data.
const ENVELOPE: usize = 512;

/// Why a part can't be sent: the call ends with this.
type Refused = Status;

impl Session {
    /// Writes the next part of a call's input. Nothing happens if the call is over or given up, or
    /// its input has ended: the function may end a call at any time.
    ///
    /// An event that is too large for one message goes in pieces where the function takes them, and
    /// pieces are put together where it does not. The call ends with RESOURCE_EXHAUSTED where
    /// neither is possible, or where the event is larger than the function's limit
    /// (`isolation-event`), and with INVALID_ARGUMENT where the parts make no valid input.
    ///
    /// Nothing here waits: hold parts back while [`outgoing`](Self::outgoing) is long.
    pub fn send(&mut self, call: u64, part: Part) {
        let writable = self.writable();
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        if state.over || state.input != Input::Open || !writable {
            return;
        }
        let sent = state.sent.take(&part, self.options.max_event_bytes);
        let written = sent.and_then(|()| self.write_part(call, part));
        if let Err(status) = written {
            self.end_early(call, "the input can't be sent", status);
        }
    }

    fn write_part(&mut self, call: u64, part: Part) -> Result<(), Refused> {
        let (chunks, limit) = (self.options.chunks, self.options.max_message_bytes);
        let state = self.calls.get_mut(&call).expect("`send` has looked");
        let failed = part.end.as_ref().is_some_and(|end| !end.is_ok());
        if failed {
            state.sent = Sent::default();
        }
        let Part {
            event,
            chunk,
            more,
            end,
        } = part;
        let in_pieces = chunk.is_some() || (more && event.is_some());
        if !in_pieces || failed {
            return match event.filter(|_| !in_pieces) {
                Some(event) => self.write_event(call, event, end),
                None if end.is_some() => self.write_message(call, None, None, false, end),
                None => Ok(()),
            };
        }
        if chunks {
            return match (event, chunk) {
                (Some(event), _) => self.begin_pieces(call, event),
                (None, chunk) => self.write_chunks(call, chunk.unwrap_or_default(), more, end),
            };
        }
        if state.sent.data > limit as u64 {
            return Err(too_large(limit));
        }
        let assembly = state.sent.assembly.get_or_insert_default();
        let piece = Part {
            event,
            chunk,
            more,
            end: None,
        };
        let whole = assembly.add(piece);
        match whole.map_err(|fault| Status::new(Code::InvalidArgument, fault.to_string()))? {
            Some(event) => {
                state.sent.assembly = None;
                self.write_event(call, event, end)
            }
            None => Ok(()),
        }
    }

    /// Writes a whole event, in one message if it fits.
    fn write_event(&mut self, call: u64, event: Event, end: Option<Status>) -> Result<(), Refused> {
        let limit = self.options.max_message_bytes;
        // Data that can't fit need not be encoded to know.
        if data_bytes(&event) <= limit as u64 {
            match self.try_write(call, Some(event), None, false, end) {
                Ok(()) => return Ok(()),
                Err(message) if self.options.chunks => {
                    let event = message.event.expect("it was put there");
                    return self.write_in_pieces(call, &event, message.end);
                }
                Err(_) => return Err(too_large(limit)),
            }
        }
        if self.options.chunks {
            self.write_in_pieces(call, &event, end)
        } else {
            Err(too_large(limit))
        }
    }

    fn write_in_pieces(
        &mut self,
        call: u64,
        event: &Event,
        end: Option<Status>,
    ) -> Result<(), Refused> {
        let (first, data) = event.split(0).ok_or_else(no_pieces)?;
        self.write_message(call, Some(first), None, true, None)?;
        self.write_chunks(call, data, false, end)
    }

    /// Writes the beginning of an event whose data goes on.
    fn begin_pieces(&mut self, call: u64, event: Event) -> Result<(), Refused> {
        let json_type = event.datacontenttype().is_some_and(is_json);
        let inline = match event.data() {
            Some(Data::Binary(bytes)) => bytes.len() <= PIECE,
            Some(Data::Text(text)) => text.len() <= PIECE && !json_type,
            None => true,
            Some(Data::Json(_) | Data::Proto { .. }) => false,
        };
        let event = if inline {
            match self.try_write(call, Some(event), None, true, None) {
                Ok(()) => return Ok(()),
                Err(message) => message.event.expect("it was put there"),
            }
        } else {
            event
        };
        let (first, data) = event.split(0).ok_or_else(no_pieces)?;
        self.write_message(call, Some(first), None, true, None)?;
        if data.is_empty() {
            return Ok(());
        }
        self.write_chunks(call, data, true, None)
    }

    /// Writes data in messages that the limit and the function allow.
    fn write_chunks(
        &mut self,
        call: u64,
        mut data: Bytes,
        more: bool,
        mut end: Option<Status>,
    ) -> Result<(), Refused> {
        // In JSON, base64 makes four bytes of three.
        let room = self.options.max_message_bytes.saturating_sub(ENVELOPE) / 4 * 3;
        loop {
            let chunk = data.split_to(data.len().min(room.clamp(1, PIECE)));
            let last = data.is_empty();
            let end = if last { end.take() } else { None };
            self.write_message(call, None, Some(chunk), more || !last, end)?;
            if last {
                return Ok(());
            }
        }
    }

    fn write_message(
        &mut self,
        call: u64,
        event: Option<Event>,
        chunk: Option<Bytes>,
        more: bool,
        end: Option<Status>,
    ) -> Result<(), Refused> {
        let limit = self.options.max_message_bytes;
        let written = self.try_write(call, event, chunk, more, end);
        written.map_err(|_| too_large(limit))
    }

    /// Encodes a message straight into what is outgoing, and takes it back if it is too large.
    #[allow(
        clippy::result_large_err,
        reason = "the rare case, and what it is made of is needed again"
    )]
    fn try_write(
        &mut self,
        call: u64,
        event: Option<Event>,
        chunk: Option<Bytes>,
        more: bool,
        end: Option<Status>,
    ) -> Result<(), Message> {
        let Some(state) = self.calls.get_mut(&call) else {
            return Ok(());
        };
        let mut message = Message {
            call,
            context: state.context.take(),
            event,
            chunk,
            more,
            end,
            ..Message::default()
        };
        message.cut_to(&crate::Limits::default());
        let (encoding, most) = (self.options.encoding, self.options.max_message_bytes);
        if !self.outgoing.push(&message, encoding, most) {
            state.context = message.context.take();
            return Err(message);
        }
        state.begun = true;
        if message.end.is_some() {
            state.input = Input::Ended;
        }
        Ok(())
    }

    /// Writes `cancel`, the last thing for its call (`cancel-last`).
    pub(super) fn write_cancel(&mut self, call: u64, reason: &str) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.input = Input::Cancelled;
            state.sent = Sent::default();
        }
        if !self.writable() {
            return;
        }
        let mut message = Message {
            call,
            cancel: Some(Cancel {
                reason: reason.to_owned(),
            }),
            ..Message::default()
        };
        message.cut_to(&crate::Limits::default());
        let encoding = self.options.encoding;
        self.outgoing.push(&message, encoding, usize::MAX);
    }

    /// Tells the function that a call is given up, and its caller at once how it ends: the host has
    /// decided that.
    pub(super) fn end_early(&mut self, call: u64, reason: &str, status: Status) {
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        if state.over {
            return;
        }
        state.over = true;
        // Its caller is told now, and not once more when the grace of an earlier cancel is over.
        state.given_up = None;
        let begun = state.begun;
        if begun {
            if state.input != Input::Cancelled {
                self.write_cancel(call, reason);
                self.timers.set_later(call);
            }
        } else {
            // Nothing of it has reached the function, and nothing will.
            self.forget(call);
        }
        self.tell_end(call, status);
    }

    /// Tells the function that a call is given up, and waits for its `end`.
    pub(super) fn give_up(&mut self, call: u64, reason: &str, status: Status) {
        let (starting, Some(state)) = (!self.is_ready(), self.calls.get_mut(&call)) else {
            return;
        };
        // What has not been sent, or not been looked at yet, ends for certain.
        if starting || !state.begun {
            return self.end_early(call, reason, status);
        }
        state.given_up = Some(status);
        self.write_cancel(call, reason);
        self.timers.set_later(call);
    }

    /// Takes a call that is over on the wire off the books.
    pub(super) fn forget(&mut self, call: u64) {
        if let Some(state) = self.calls.remove(&call) {
            self.timers.set(state.due, None, Timer::Call(call));
        }
    }
}

impl Sent {
    /// Checks the order of parts, and counts data.
    fn take(&mut self, part: &Part, limit: Option<u64>) -> Result<(), Refused> {
        let wrong = |what: &str| Err(Status::new(Code::InvalidArgument, what));
        let pieces = part.event.is_some() || part.chunk.is_some();
        match (&part.event, &part.chunk) {
            (Some(_), Some(_)) => return wrong("a part has an event or a chunk, not both"),
            (Some(_), None) if self.unfinished => {
                return wrong("an event began before the data of the one before it was complete");
            }
            (None, Some(_)) if !self.unfinished => {
                return wrong("a chunk came without an event that it belongs to");
            }
            _ => {}
        }
        if pieces {
            self.unfinished = part.more;
        }
        if self.unfinished && part.end.as_ref().is_some_and(Status::is_ok) {
            return wrong("the input ended before the data of its last event was complete");
        }
        self.data = match &part.event {
            Some(event) => data_bytes(event),
            None => self.data + part.chunk.as_ref().map_or(0, |chunk| chunk.len() as u64),
        };
        match limit {
            Some(limit) if pieces && self.data > limit => {
                let message = format!(
                    "the event's data is larger than the function's limit of {limit} bytes"
                );
                Err(Status::new(Code::ResourceExhausted, message))
            }
            _ => Ok(()),
        }
    }
}

fn too_large(limit: usize) -> Status {
    let message = format!(
        "the event is larger than a message may be ({limit} bytes), and the function takes none in pieces"
    );
    Status::new(Code::ResourceExhausted, message)
}

fn no_pieces() -> Status {
    let message = "a Protobuf message as data can't be written in pieces, and is too large for one";
    Status::new(Code::ResourceExhausted, message)
}
