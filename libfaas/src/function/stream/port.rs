//! The handler's end of a call in stream mode.

use std::sync::{Arc, Condvar, PoisonError};

use bytes::Bytes;

use super::super::call::Port;
use super::super::pieces::{Piece, is_json, split};
use super::super::session::{Item, Job, Taken};
use super::{Exit, Shared, Start, State};
use crate::encoding::Encoded;
use crate::{Code, Context, Event, Message, Status};

/// Data in one message, where an event is written in pieces.
const PIECE: usize = 256 << 10;
/// Room in a message for what is not data.
const ENVELOPE: usize = 512;

/// What has less data is encoded while others wait to write, which takes less time than to encode
/// it elsewhere.
const SMALL: usize = 16 << 10;

pub(super) struct StreamPort {
    shared: Arc<Shared>,
    call: u64,
    context: Context,
    /// The context belongs on the next message, which is the first.
    introduces: bool,
    /// The first of the input, if it was there at the start.
    first: Option<Event>,
    /// Nothing but that comes, or nothing more.
    input_done: bool,
    /// Pieces were taken that count as held.
    holds: bool,
    /// The end of the call is written.
    ended: bool,
}

/// Tells the handler of a call that there is something new to see.
#[derive(Default)]
pub(super) struct Signal {
    changed: Condvar,
    #[cfg(feature = "async")]
    pub(super) future: Arc<tokio::sync::Notify>,
}

impl Signal {
    pub(super) fn notify(&self) {
        self.changed.notify_all();
        #[cfg(feature = "async")]
        self.future.notify_waiters();
    }
}

impl StreamPort {
    pub(super) fn new(shared: Arc<Shared>, start: Start) -> Self {
        let Start {
            job: Job { call, context },
            first,
            input_done,
        } = start;
        StreamPort {
            shared,
            call,
            introduces: context.is_some(),
            context: context.unwrap_or_default(),
            first,
            input_done,
            holds: false,
            ended: false,
        }
    }

    /// What tells of changes from now on. Few handlers wait, so nothing is made ready for them.
    fn signal(&self, state: &mut State) -> Arc<Signal> {
        Arc::clone(state.signals.entry(self.call).or_default())
    }

    /// Waits until `look` finds something.
    fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.shared.state();
        if let Some(found) = look(&mut state) {
            return found;
        }
        drop(state);
        // What is waited for has to be read by somebody.
        self.shared.seat.free();
        state = self.shared.state();
        let signal = self.signal(&mut state);
        loop {
            match look(&mut state) {
                Some(found) => return found,
                None => {
                    state = signal
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    /// The next item of the input, and whether reading goes on now that it is taken.
    fn look(&self, state: &mut State, whole: bool) -> Option<(Item, bool)> {
        match state.session.take(self.call, whole) {
            Taken::Item(item) => Some((item, state.paused && state.session.may_read())),
            Taken::Wait => None,
        }
    }

    /// What was there before the handler asked.
    fn known(&mut self) -> Option<Option<Piece>> {
        match self.first.take() {
            Some(event) => Some(Some(Piece::Event { event, more: false })),
            None => self.input_done.then_some(None),
        }
    }

    fn taken(
        &mut self,
        (item, resume): (Item, bool),
        whole: bool,
    ) -> Result<Option<Piece>, Status> {
        if resume {
            self.shared.resumed.notify_all();
        }
        self.holds |= whole && !item.is_whole();
        match item {
            Item::Event { event, more } => Ok(Some(Piece::Event { event, more })),
            Item::Chunk { bytes, more } => Ok(Some(Piece::Chunk { bytes, more })),
            Item::End => {
                self.input_done = true;
                Ok(None)
            }
            Item::Failed(status) => Err(status),
        }
    }

    /// Writes a message with what belongs on it, unless it is too large: whether it was written.
    fn send(&mut self, message: &mut Message, last: bool) -> Result<bool, Status> {
        if last && !self.input_done {
            self.input_done = self.shared.state().session.input_done(self.call)?;
        }
        message.call = self.call;
        message.end = (last && self.input_done).then(Status::ok);
        message.context = self.introduces.then(|| std::mem::take(&mut self.context));
        let sent = self.put(message);
        if let Some(context) = message.context.take() {
            self.context = context;
        }
        if let Ok(true) = sent {
            self.introduces = false;
            self.ended = message.end.is_some();
        }
        sent
    }

    fn put(&self, message: &Message) -> Result<bool, Status> {
        let Shared {
            output, settings, ..
        } = &*self.shared;
        let ends = message.end.is_some();
        let inline = message.event.as_ref().and_then(Event::data);
        let data = inline.map_or(0, |data| data.as_bytes().len())
            + message.chunk.as_ref().map_or(0, Bytes::len);
        let written = if data < SMALL {
            let mut output = output.lock();
            let draft = output.draft(message, settings.encoding);
            if draft.counted > settings.max_message_bytes {
                output.discard(draft);
                return Ok(false);
            }
            if let Err(status) = self.commit(ends) {
                output.discard(draft);
                return Err(status);
            }
            output.send(draft, ends)
        } else {
            let encoded = Encoded::new(message, settings.encoding);
            if encoded.counted() > settings.max_message_bytes {
                return Ok(false);
            }
            let mut output = output.lock();
            self.commit(ends)?;
            output.write_encoded(&encoded, ends)
        };
        written.map_err(|error| {
            self.shared.exit(Exit::broken("writing to stdout", error));
            Status::new(Code::Unavailable, "stdout is closed")
        })?;
        Ok(true)
    }

    /// Right before a message is written, while the output is locked.
    fn commit(&self, ends: bool) -> Result<(), Status> {
        self.shared.state().session.commit(self.call, ends)
    }

    fn send_pieces(&mut self, event: &Event, last: bool) -> Result<(), Status> {
        let (first, data) = split(event)?;
        self.send_piece(
            Message {
                event: Some(first),
                more: true,
                ..Message::default()
            },
            false,
        )?;
        self.send_chunks(data, false, last)
    }

    /// Writes the beginning of an event whose data is not complete, and too large for one message.
    fn begin_in_pieces(&mut self, event: &Event) -> Result<(), Status> {
        let (first, data) = split(event)?;
        self.send_piece(
            Message {
                event: Some(first),
                more: true,
                ..Message::default()
            },
            false,
        )?;
        if data.is_empty() {
            Ok(())
        } else {
            self.send_chunks(data, true, false)
        }
    }

    /// Writes data in messages that the limit and the peer allow.
    fn send_chunks(&mut self, mut data: Bytes, more: bool, last: bool) -> Result<(), Status> {
        // In JSON, base64 makes four bytes of three.
        let room = self
            .shared
            .settings
            .max_message_bytes
            .saturating_sub(ENVELOPE)
            / 4
            * 3;
        loop {
            let chunk = data.split_to(data.len().min(room.clamp(1, PIECE)));
            let more = more || !data.is_empty();
            self.send_piece(
                Message {
                    chunk: Some(chunk),
                    more,
                    ..Message::default()
                },
                last && !more,
            )?;
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    fn send_piece(&mut self, mut message: Message, last: bool) -> Result<(), Status> {
        if self.send(&mut message, last)? {
            Ok(())
        } else {
            Err(self.too_large())
        }
    }

    fn too_large(&self) -> Status {
        let limit = self.shared.settings.max_message_bytes;
        let message = format!(
            "a result is larger than a message may be ({limit} bytes) and can't be written in pieces"
        );
        Status::new(Code::ResourceExhausted, message)
    }
}

impl Port for StreamPort {
    fn context(&self) -> &Context {
        &self.context
    }

    fn take(&mut self, whole: bool) -> Result<Option<Piece>, Status> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let taken = self.wait(|state| self.look(state, whole));
        self.taken(taken, whole)
    }

    #[cfg(feature = "async")]
    fn try_take(&mut self) -> Option<Result<Option<Piece>, Status>> {
        if let Some(known) = self.known() {
            return Some(Ok(known));
        }
        let taken = self.look(&mut self.shared.state(), false)?;
        Some(self.taken(taken, false))
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.holds) {
            self.shared.state().session.release(self.call);
        }
    }

    fn write(&mut self, event: Event, last: bool) -> Result<(), Status> {
        let (most, chunks) = {
            let settings = &self.shared.settings;
            (settings.max_message_bytes, settings.chunks)
        };
        let data = event.data().map_or(0, |data| data.as_bytes().len());
        let mut message = Message {
            event: Some(event),
            ..Message::default()
        };
        // Data that can't fit need not be encoded to know.
        if data <= most && self.send(&mut message, last)? {
            return Ok(());
        }
        match message.event {
            Some(event) if chunks => self.send_pieces(&event, last),
            _ => Err(self.too_large()),
        }
    }

    fn has_pieces(&self) -> bool {
        self.shared.settings.chunks
    }

    fn write_piece(&mut self, piece: Piece) -> Result<(), Status> {
        match piece {
            Piece::Chunk { bytes, more } => self.send_chunks(bytes, more, false),
            Piece::Event { event, more: false } => self.write(event, false),
            Piece::Event { event, more: true } => {
                let inline = event.data().map_or(0, |data| data.as_bytes().len()) <= PIECE
                    && !is_json(&event);
                let mut first = Message {
                    event: Some(event),
                    more: true,
                    ..Message::default()
                };
                if inline && self.send(&mut first, false)? {
                    return Ok(());
                }
                first
                    .event
                    .map_or(Ok(()), |event| self.begin_in_pieces(&event))
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn stopped(&self) -> Option<Status> {
        self.shared.state().session.stopped(self.call)
    }

    fn wait_stopped(&self) -> Status {
        self.wait(|state| state.session.give_up(self.call))
    }

    #[cfg(feature = "async")]
    fn stop(&self) -> Option<super::super::future::Stop> {
        let signal = self.signal(&mut self.shared.state());
        let (shared, call) = (Arc::clone(&self.shared), self.call);
        let look = move || shared.state().session.stopped(call);
        Some(super::super::future::Stop::new(
            Arc::clone(&signal.future),
            look,
        ))
    }
}
