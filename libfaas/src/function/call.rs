//! A call as its handler sees it, the same in every mode.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Handler;
use super::log::{self, Severity};
use super::pieces::{Assembly, Piece};
use super::result::ResultEvent;
use crate::{Code, Context, Event, Status};

/// A call: events in, events out, and a status at the end, which is what the handler returns.
pub struct Call {
    port: Box<dyn Port>,
    number: Option<u64>,
    max_event_bytes: usize,
    /// What ids of results begin with, where there is no invocation's: the first event's.
    first_id: Option<String>,
    results: u64,
    /// The input's failure, once the handler was told of it.
    failed: Option<Status>,
    /// A result was begun with [`Call::begin`] and not finished.
    unfinished: bool,
}

/// The part of a call that differs from mode to mode.
pub(super) trait Port: Send {
    /// How the call runs.
    fn context(&self) -> &Context;
    /// The next piece of the input, None at its end. Waits. With `whole`, the pieces of an event
    /// are kept by whoever asks until [`release`](Self::release).
    fn take(&mut self, whole: bool) -> Result<Option<Piece>, Status>;
    /// The kept pieces have become an event, which was given to the handler.
    fn release(&mut self) {}
    /// Writes a result. `last` says that the handler gives nothing more unless more comes in.
    fn write(&mut self, event: Event, last: bool) -> Result<(), Status>;
    /// Whether results can be written in pieces.
    fn has_pieces(&self) -> bool;
    /// Writes a piece of a result.
    fn write_piece(&mut self, piece: Piece) -> Result<(), Status>;
    /// Whether the end of the call is written.
    fn has_ended(&self) -> bool {
        false
    }
    /// Why the handler should stop, if it should.
    fn stopped(&self) -> Option<Status>;
    /// Waits until the handler should stop, or until nothing can tell it to any more.
    fn wait_stopped(&self) -> Status;
    /// For handlers that are futures.
    #[cfg(feature = "async")]
    fn stop(&self) -> Option<super::future::Stop> {
        None
    }
    /// As [`take`](Self::take), None where it would wait for what [`stop`](Self::stop) announces.
    #[cfg(feature = "async")]
    fn try_take(&mut self) -> Option<Result<Option<Piece>, Status>> {
        Some(self.take(false))
    }
}

impl Call {
    pub(super) fn new(port: Box<dyn Port>, number: Option<u64>, max_event_bytes: usize) -> Self {
        Call {
            port,
            number,
            max_event_bytes,
            first_id: None,
            results: 0,
            failed: None,
            unfinished: false,
        }
    }

    /// How this call runs.
    pub fn context(&self) -> &Context {
        self.port.context()
    }

    /// The time that is left until the deadline: zero once it has passed, None without one.
    ///
    /// The runtime's clock decides: it cancels the call when its time is up.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = u64::try_from(self.context().deadline_ms?).unwrap_or(0);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Some(Duration::from_millis(deadline).saturating_sub(now))
    }

    /// The next event of the input, put together from its pieces; None after the last.
    ///
    /// # Errors
    ///
    /// What ended the input other than its end: a cancel, a failure of the stage before, an event
    /// that is invalid or larger than the limit. A handler returns it as it is.
    pub fn next_event(&mut self) -> Result<Option<Event>, Status> {
        let mut assembly = Assembly::new(self.max_event_bytes);
        loop {
            match self.take(true)? {
                None => return Ok(None),
                Some(piece) => {
                    let Some(event) = assembly.add(piece).map_err(|status| self.fail(status))?
                    else {
                        continue;
                    };
                    self.port.release();
                    self.began(&event);
                    return Ok(Some(event));
                }
            }
        }
    }

    /// The next piece of the input as it comes, None after the last: for data that should not be
    /// held whole.
    ///
    /// # Errors
    ///
    /// As for [`next_event`](Self::next_event).
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Status> {
        let piece = self.take(false)?;
        self.taken(piece.as_ref());
        Ok(piece)
    }

    /// As [`next_piece`](Self::next_piece), for who has other things to do while nothing comes.
    /// Dropping the future loses nothing.
    ///
    /// In structured and binary mode it waits as `next_piece` does.
    ///
    /// # Errors
    ///
    /// As for [`next_event`](Self::next_event).
    #[cfg(feature = "async")]
    pub async fn next_piece_async(&mut self) -> Result<Option<Piece>, Status> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let stop = self.port.stop();
        loop {
            let changed = super::future::changed(stop.as_ref());
            match self.port.try_take() {
                Some(taken) => {
                    let piece = taken.map_err(|status| self.fail(status))?;
                    self.taken(piece.as_ref());
                    return Ok(piece);
                }
                None => changed.await,
            }
        }
    }

    /// Waits until the call is given up, for ever if that does not happen. The status is what to
    /// return.
    #[cfg(feature = "async")]
    pub async fn cancelled(&self) -> Status {
        match self.port.stop() {
            Some(stop) => stop.stopped().await,
            None => std::future::pending().await,
        }
    }

    /// Passes a piece of a result on as it is, which has an `id` of its own. Whoever begins an event
    /// with [`Piece::Event`] and `more` gives all of its pieces before the next event.
    ///
    /// # Errors
    ///
    /// As for [`emit`](Self::emit); INTERNAL where the reader takes no pieces.
    pub fn emit_piece(&mut self, piece: Piece) -> Result<(), Status> {
        self.unfinished = match &piece {
            Piece::Event { more, .. } | Piece::Chunk { more, .. } => *more,
        };
        self.port.write_piece(piece)
    }

    /// Whether the reader takes results in pieces; see [`emit_piece`](Self::emit_piece).
    pub fn takes_pieces(&self) -> bool {
        self.port.has_pieces()
    }

    /// Gives a result: an [`Event`], or a builder of one, whose `id` is made up if it is empty.
    ///
    /// # Errors
    ///
    /// The call is cancelled, the result is invalid or too large, or nobody reads any more.
    pub fn emit(&mut self, result: impl Into<ResultEvent>) -> Result<(), Status> {
        self.emit_as(result.into(), false)
    }

    /// Gives the last result for the input so far: where no more input comes, the end of the call
    /// stands in the same message, and is one write with it. Nothing can be given after that.
    ///
    /// # Errors
    ///
    /// As for [`emit`](Self::emit).
    pub fn emit_last(&mut self, result: impl Into<ResultEvent>) -> Result<(), Status> {
        self.emit_as(result.into(), true)
    }

    fn emit_as(&mut self, result: ResultEvent, last: bool) -> Result<(), Status> {
        let event = self.build(result)?;
        self.port.write(event, last)
    }

    /// Begins a result whose data is given in pieces, beginning with the data that it has.
    ///
    /// Where the reader can't take pieces, they are held until the result is finished.
    ///
    /// # Errors
    ///
    /// As for [`emit`](Self::emit).
    pub fn begin(&mut self, result: impl Into<ResultEvent>) -> Result<Body<'_>, Status> {
        let event = self.build(result.into())?;
        self.unfinished = true;
        let held = (!self.port.has_pieces()).then(|| Assembly::new(self.max_event_bytes));
        let mut body = Body {
            call: self,
            held,
            pending: None,
        };
        body.put(Piece::Event {
            event: super::pieces::first(event)?,
            more: true,
        })?;
        Ok(body)
    }

    /// Whether the call was given up: a handler that looks from time to time stops in time.
    pub fn is_cancelled(&self) -> bool {
        self.port.stopped().is_some()
    }

    /// Waits until the call is given up, or until nobody can do that any more because its end is
    /// written or the input of the process has ended. The status is what to return.
    pub fn wait_cancelled(&self) -> Status {
        self.port.wait_stopped()
    }

    /// Writes a record to the log, which names this call.
    pub fn log(&self, severity: Severity, body: &str) {
        log::write(severity, body, self.number);
    }

    /// Runs the handler. What the call ends with, and whether that is written already.
    pub(super) fn run(mut self, handler: &Handler) -> (Result<(), Status>, bool) {
        let result = catch_unwind(AssertUnwindSafe(|| handler(&mut self))).unwrap_or_else(|_| {
            Err(Status::new(
                Code::Internal,
                "the handler panicked; stderr has its message",
            ))
        });
        let succeeded = result.as_ref().err().is_none_or(Status::is_ok);
        let result = match (self.failed, self.unfinished) {
            // A handler that was told that its input failed can't make that a success.
            (Some(failed), _) if succeeded => Err(failed),
            (None, true) if succeeded => Err(Status::new(
                Code::Internal,
                "the handler returned before it had finished a result's data",
            )),
            _ => result,
        };
        (result, self.port.has_ended())
    }

    #[cfg(feature = "async")]
    pub(super) fn stop(&self) -> Option<super::future::Stop> {
        self.port.stop()
    }

    fn take(&mut self, whole: bool) -> Result<Option<Piece>, Status> {
        match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self.port.take(whole).map_err(|status| self.fail(status)),
        }
    }

    fn taken(&mut self, piece: Option<&Piece>) {
        if let Some(Piece::Event { event, .. }) = piece {
            self.began(event);
        }
    }

    /// An event of the input has begun.
    fn began(&mut self, event: &Event) {
        if self.first_id.is_none() && self.context().invocation_id.is_empty() {
            self.first_id = Some(event.id().to_owned());
        }
    }

    fn fail(&mut self, status: Status) -> Status {
        self.failed.get_or_insert(status).clone()
    }

    fn build(&mut self, result: ResultEvent) -> Result<Event, Status> {
        if self.unfinished {
            return Err(Status::new(
                Code::Internal,
                "a result was given before another one's data was finished",
            ));
        }
        self.results += 1;
        let id = || {
            let results = self.results;
            match (&*self.context().invocation_id, &self.first_id, self.number) {
                ("", Some(first), _) => format!("{first}/{results}"),
                ("", None, number) => format!("call-{}/{results}", number.unwrap_or(1)),
                (invocation, ..) => format!("{invocation}/{results}"),
            }
        };
        Ok(result.build(id)?)
    }
}

/// A result whose data is being written. Dropped before [`finish`](Body::finish), it fails the
/// call.
pub struct Body<'a> {
    call: &'a mut Call,
    held: Option<Assembly>,
    /// The piece that waits to know whether it is the last.
    pending: Option<Piece>,
}

impl Body<'_> {
    /// Adds data.
    ///
    /// # Errors
    ///
    /// As for [`Call::emit`].
    pub fn push(&mut self, bytes: impl Into<Bytes>) -> Result<(), Status> {
        self.put(Piece::Chunk {
            bytes: bytes.into(),
            more: true,
        })
    }

    /// Says that the data is complete.
    ///
    /// # Errors
    ///
    /// As for [`Call::emit`].
    pub fn finish(mut self) -> Result<(), Status> {
        let Some(last) = self.pending.take().map(Piece::last) else {
            return Ok(());
        };
        let last = last?;
        let whole = match &mut self.held {
            None => {
                return self
                    .call
                    .port
                    .write_piece(last)
                    .map(|()| self.call.unfinished = false);
            }
            Some(held) => held.add(last)?,
        };
        self.call.unfinished = false;
        match whole {
            Some(event) => self.call.port.write(event, false),
            None => Ok(()),
        }
    }

    fn put(&mut self, piece: Piece) -> Result<(), Status> {
        match (self.pending.replace(piece), &mut self.held) {
            (None, _) => Ok(()),
            (Some(piece), None) => self.call.port.write_piece(piece),
            (Some(piece), Some(held)) => held.add(piece).map(|_| ()),
        }
    }
}

impl io::Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a handler of one event puts its results.
pub struct Emitter<'a> {
    pub(super) call: &'a mut Call,
}

impl Emitter<'_> {
    /// Gives a result: an [`Event`], or a builder of one, whose `id` is made up if it is empty.
    ///
    /// # Errors
    ///
    /// As for [`Call::emit`].
    pub fn emit(&mut self, result: impl Into<ResultEvent>) -> Result<(), Status> {
        self.call.emit(result)
    }

    /// Gives the last result for this event; see [`Call::emit_last`].
    ///
    /// # Errors
    ///
    /// As for [`Call::emit`].
    pub fn emit_last(&mut self, result: impl Into<ResultEvent>) -> Result<(), Status> {
        self.call.emit_last(result)
    }

    /// Begins a result whose data is given in pieces; see [`Call::begin`].
    ///
    /// # Errors
    ///
    /// As for [`Call::emit`].
    pub fn begin(&mut self, result: impl Into<ResultEvent>) -> Result<Body<'_>, Status> {
        self.call.begin(result)
    }

    /// How this call runs.
    pub fn context(&self) -> &Context {
        self.call.context()
    }

    /// The time that is left until the deadline; see [`Call::time_left`].
    pub fn time_left(&self) -> Option<Duration> {
        self.call.time_left()
    }

    /// Whether the call was given up; see [`Call::is_cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.call.is_cancelled()
    }

    /// Waits until the call is given up; see [`Call::wait_cancelled`].
    pub fn wait_cancelled(&self) -> Status {
        self.call.wait_cancelled()
    }

    /// Writes a record to the log, which names this call.
    pub fn log(&self, severity: Severity, body: &str) {
        self.call.log(severity, body);
    }
}
