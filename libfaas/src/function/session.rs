//! The calls of a stream as the function sees them: the state table of the specification's page on
//! messages. No I/O and no locks: messages go in, what is to be written comes out.

mod inbox;
mod past;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::Bytes;

use crate::{Cancel, Code, Context, Event, Message, Status};

pub(crate) use inbox::{Item, Taken};

use inbox::Inbox;
use past::Past;

/// All calls of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    concurrency: usize,
    hold: usize,
    /// Boxed, so that calls that come and go move no more than a pointer.
    open: BTreeMap<u64, Box<Call>>,
    spare: Spare,
    /// Opened, and not yet given to a handler because `concurrency` others run.
    waiting: VecDeque<u64>,
    running: usize,
    /// The call that runs, where only one may.
    alone: Option<u64>,
    past: Past,
    at_eof: bool,
    /// Every call has its end: nothing more is read.
    terminated: bool,
}

/// What the driver has to do after a message.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "few at a time, and gone at once")]
pub(crate) enum Effect {
    Write(Message),
    /// The handler of this call has something new to see.
    Wake(u64),
}

/// A call that may run now.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) call: u64,
    /// To be copied onto the first message that its handler writes.
    pub(crate) context: Option<Context>,
}

/// A message that the state of its call forbids. Its stream is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "call {call}: expected {expected}, got {came}; correct the program that wrote this (rule {rule})"
)]
pub(crate) struct Malformed {
    pub(crate) rule: &'static str,
    call: u64,
    expected: &'static str,
    came: &'static str,
}

/// The memory of a call that is over, for the next one. It means nothing, so it does not show.
#[derive(Default)]
struct Spare(Option<Box<Call>>);

/// What is kept of a call while one of its directions is open, or its handler runs.
#[derive(Clone, Debug, Default)]
struct Call {
    context: Option<Context>,
    context_written: bool,
    handler: Handler,
    input_ended: bool,
    /// An event of the input has more data to come.
    unfinished: bool,
    output_ended: bool,
    /// Why the call ends before its handler returns: cancelled, or the process is told to go.
    stop: Option<Status>,
    /// The status other than OK that ended the input. It ends the output too.
    input_failure: Option<Status>,
    inbox: Inbox,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Handler {
    #[default]
    Waits,
    Runs,
    Returned,
}

impl Session {
    /// A session that runs `concurrency` calls at once and holds `hold` bytes for each of them.
    pub(crate) fn new(concurrency: usize, hold: usize) -> Self {
        Session {
            concurrency: concurrency.max(1),
            hold,
            open: BTreeMap::new(),
            spare: Spare::default(),
            waiting: VecDeque::new(),
            running: 0,
            alone: None,
            past: Past::default(),
            at_eof: false,
            terminated: false,
        }
    }

    /// Applies a message that is not a `hello`. `invalid` says what is wrong with its event if that
    /// is no CloudEvent.
    pub(crate) fn receive(
        &mut self,
        mut message: Message,
        invalid: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let call = message.call;
        let input = invalid.is_some()
            || message.event.is_some()
            || message.chunk.is_some()
            || message.end.is_some();
        let cancel = message.cancel.take();
        let silent = !input && cancel.is_none();
        if silent || self.terminated || self.past.was_cancelled(call) {
            return Ok(());
        }
        // Fields apply in their order: what stands before a cancel opens its call.
        let context = match input {
            true => {
                self.receive_input(message, invalid, effects)?;
                None
            }
            false => message.context,
        };
        if let Some(cancel) = cancel {
            self.cancel(call, context, cancel, effects);
        }
        Ok(())
    }

    /// Applies an event, a chunk, an end.
    fn receive_input(
        &mut self,
        message: Message,
        invalid: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let Message {
            call,
            context,
            event,
            chunk,
            more,
            end,
            cancel: _,
            hello: _,
        } = message;
        let event = invalid.map(Err).or(event.map(Ok));
        let state = match self.open.entry(call) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(_) if self.past.has_ended(call) => return Err(input_ended(call)),
            Entry::Vacant(_) if event.is_none() && chunk.is_some() => {
                return Err(chunk_without_event(call));
            }
            Entry::Vacant(place) => {
                self.waiting.push_back(call);
                place.insert(self.spare.opened(context))
            }
        };
        if state.input_ended {
            return Err(input_ended(call));
        }
        if state.output_ended {
            // What the sender wrote before it knew: dropped until its `end`.
            state.input_ended = end.is_some();
            self.forget_if_over(call);
            return Ok(());
        }
        state.read_data(call, event, chunk, more)?;
        // Above a concurrency of 1 reading goes on whatever one call does, so its queue has an end.
        if self.concurrency > 1 && state.handler == Handler::Runs && state.inbox.held() > self.hold
        {
            let message = format!(
                "the call's input waits for its handler with more than {} bytes",
                self.hold
            );
            let status = Status::new(Code::ResourceExhausted, message);
            state.inbox.fail(status.clone());
            // A handler that waits for something else than input would never come to it.
            state.input_failure.get_or_insert(status);
        }
        if let Some(end) = end {
            state.read_end(call, end)?;
        }
        let handler = state.handler;
        if handler == Handler::Waits && self.must_refuse() {
            self.refuse(call, effects);
        }
        if handler == Handler::Runs {
            effects.push(Effect::Wake(call));
        }
        Ok(())
    }

    /// Whether no more can be held for the calls that wait (`limit-hold-waiting`), though reading has to go on: what a
    /// call that runs still waits for stands behind them.
    fn must_refuse(&self) -> bool {
        self.held_for_waiting() > self.hold && self.has_open_input()
    }

    /// Ends a call that waits for its turn, which does not come.
    fn refuse(&mut self, call: u64, effects: &mut Vec<Effect>) {
        let Some(state) = self.open.get_mut(&call) else {
            return;
        };
        let message = format!(
            "the calls that wait for their turn hold more than {} bytes",
            self.hold
        );
        let refused = Err(Status::new(Code::ResourceExhausted, message));
        effects.push(Effect::Write(state.end(call, refused)));
        state.inbox.clear();
        self.waiting.retain(|&waiting| waiting != call);
        self.forget_if_over(call);
    }

    /// The next call whose handler may start.
    pub(crate) fn start_next(&mut self) -> Option<Job> {
        if self.running >= self.concurrency {
            return None;
        }
        let call = self.waiting.pop_front()?;
        let state = self.open.get_mut(&call)?;
        state.handler = Handler::Runs;
        self.running += 1;
        self.alone = (self.concurrency == 1).then_some(call);
        Some(Job {
            call,
            context: state.context.clone(),
        })
    }

    /// The next item of a call's input. Pieces of an event that are `kept` count as held until
    /// [`release`](Self::release).
    pub(crate) fn take(&mut self, call: u64, keep: bool) -> Taken {
        match self.open.get_mut(&call) {
            None => Taken::Item(Item::Failed(gone())),
            Some(state) => match &state.stop {
                None => state.inbox.take(keep),
                Some(status) => Taken::Item(Item::Failed(status.clone())),
            },
        }
    }

    /// What a handler would find that takes its first item as it starts, if that is a whole event;
    /// and whether nothing follows.
    pub(crate) fn take_first(&mut self, call: u64) -> (Option<Event>, bool) {
        match self.open.get_mut(&call) {
            Some(state) if state.stop.is_none() => {
                let first = state.inbox.take_whole();
                (first, state.inbox.is_at_end())
            }
            _ => (None, false),
        }
    }

    /// The kept pieces of a call's input have become an event, which is the handler's now.
    pub(crate) fn release(&mut self, call: u64) {
        if let Some(state) = self.open.get_mut(&call) {
            state.inbox.release();
        }
    }

    /// Why the handler of a call should stop: its call was cancelled, its input failed, or the
    /// process is told to go.
    pub(crate) fn stopped(&self, call: u64) -> Option<Status> {
        let Some(state) = self.open.get(&call) else {
            return Some(gone());
        };
        state.stop.clone().or_else(|| state.input_failure.clone())
    }

    /// Why a handler that only waits for its call to be given up should stop waiting.
    pub(crate) fn give_up(&self, call: u64) -> Option<Status> {
        let unstoppable = || {
            Status::new(
                Code::Cancelled,
                "the input has ended, so that nobody can give the call up any more",
            )
        };
        let stopped = self.stopped(call);
        // A call whose end is written is over for its host too, which has nothing to cancel then.
        let over = self.open.get(&call).filter(|state| state.output_ended);
        stopped
            .or_else(|| over.map(|_| gone()))
            .or_else(|| self.at_eof.then(unstoppable))
    }

    /// Whether no further input of a call comes, so that `end` may stand on the next message of its
    /// output.
    pub(crate) fn input_done(&self, call: u64) -> Result<bool, Status> {
        self.writable(call).map(|state| state.inbox.is_at_end())
    }

    /// Allows a message of a handler to be written, right before that happens.
    pub(crate) fn commit(&mut self, call: u64, with_end: bool) -> Result<(), Status> {
        self.writable(call)?;
        if let Some(state) = self.open.get_mut(&call) {
            state.context_written = true;
            state.output_ended |= with_end;
        }
        Ok(())
    }

    /// The handler of a call has returned. The `end` to be written, if one is owed.
    pub(crate) fn finish(&mut self, call: u64, result: Result<(), Status>) -> Option<Message> {
        let state = self.open.get_mut(&call)?;
        state.handler = Handler::Returned;
        self.running -= 1;
        self.alone = None;
        state.inbox.clear();
        let end = (!state.output_ended).then(|| {
            let failure = state.input_failure.take();
            state.end(call, failure.map_or(result, Err))
        });
        self.forget_if_over(call);
        end
    }

    /// EOF: calls whose input is complete run to their end, the others are aborted.
    pub(crate) fn end_of_input(&mut self, effects: &mut Vec<Effect>) {
        self.at_eof = true;
        for (&call, state) in &mut self.open {
            if !state.input_ended {
                state.input_ended = true;
                let aborted =
                    Status::new(Code::Aborted, "the input ended before the end of the call");
                state.inbox.push(Item::Failed(aborted.clone()));
                state.input_failure = (!state.output_ended).then_some(aborted);
            }
            effects.push(Effect::Wake(call));
        }
        self.open
            .retain(|_, state| !state.output_ended || state.handler == Handler::Runs);
    }

    /// SIGTERM: every open call ends now, whatever its handler does.
    pub(crate) fn terminate(&mut self, effects: &mut Vec<Effect>) {
        let unavailable = Status::new(Code::Unavailable, "the function was told to terminate");
        self.terminated = true;
        self.waiting.clear();
        for (&call, state) in &mut self.open {
            if !state.output_ended {
                state.stop.get_or_insert_with(|| unavailable.clone());
                effects.push(Effect::Write(state.end(call, Ok(()))));
            }
            effects.push(Effect::Wake(call));
        }
        self.open.retain(|_, state| state.handler == Handler::Runs);
    }

    /// Whether there is room for another message.
    ///
    /// Calls beyond the concurrency wait, and at a concurrency of 1 the input of the one that runs
    /// waits too: who has not taken in what it has read does not read. But what waits for its turn
    /// must not stand before what a call that runs waits for.
    pub(crate) fn may_read(&self) -> bool {
        let alone = self.alone.map_or(0, |call| self.queued(call));
        let waiting = self.held_for_waiting();
        alone <= self.hold && (alone + waiting <= self.hold || self.has_open_input())
    }

    fn held_for_waiting(&self) -> usize {
        /// What a call costs that has not even an event.
        const WAITING: usize = 256;
        let held = |&call: &u64| WAITING.max(self.queued(call));
        self.waiting.iter().map(held).sum()
    }

    fn queued(&self, call: u64) -> usize {
        self.open.get(&call).map_or(0, |state| state.inbox.queued())
    }

    /// Whether a call that runs may get more input.
    fn has_open_input(&self) -> bool {
        self.open.values().any(|state| {
            state.handler == Handler::Runs && !state.input_ended && !state.output_ended
        })
    }

    /// Whether no handler runs or waits to.
    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }

    /// How many calls something is kept of besides their numbers.
    #[cfg(all(feature = "host", any(test, fuzzing)))]
    pub(crate) fn open_calls(&self) -> usize {
        self.open.len()
    }

    fn cancel(
        &mut self,
        call: u64,
        context: Option<Context>,
        cancel: Cancel,
        effects: &mut Vec<Effect>,
    ) {
        let copy = Message {
            call,
            cancel: Some(cancel),
            ..Message::default()
        };
        let unseen = !self.past.has_ended(call);
        self.past.cancel(call);
        let Some(state) = self.open.get_mut(&call) else {
            return effects.push(Effect::Write(Message {
                context: context.filter(|_| unseen),
                ..copy
            }));
        };
        effects.push(Effect::Write(Message {
            context: state.context_to_write(),
            ..copy
        }));
        state.stop = Some(Status::new(Code::Cancelled, "the call was cancelled"));
        state.input_ended = true;
        state.inbox.clear();
        // A call that was refused its turn has its end.
        if state.handler == Handler::Waits && !state.output_ended {
            effects.push(Effect::Write(state.end(call, Ok(()))));
            self.waiting.retain(|&waiting| waiting != call);
        }
        effects.push(Effect::Wake(call));
        self.forget_if_over(call);
    }

    fn writable(&self, call: u64) -> Result<&Call, Status> {
        let state = self.open.get(&call).ok_or_else(gone)?;
        match &state.stop {
            None if !state.output_ended => Ok(state),
            stop => Err(stop.clone().unwrap_or_else(gone)),
        }
    }

    fn forget_if_over(&mut self, call: u64) {
        if let Entry::Occupied(open) = self.open.entry(call)
            && open.get().is_over()
        {
            self.spare.keep(open.remove());
            self.past.end(call);
        }
    }
}

impl Spare {
    /// A call that is open from now on.
    fn opened(&mut self, context: Option<Context>) -> Box<Call> {
        let mut call = self.0.take().unwrap_or_default();
        if let Some(Err(error)) = context.as_ref().map(Context::validate) {
            let status = Status::new(Code::InvalidArgument, error.to_string());
            call.inbox.fail(status);
        }
        call.context = context;
        call
    }

    fn keep(&mut self, mut call: Box<Call>) {
        if self.0.is_none() {
            call.reset();
            self.0 = Some(call);
        }
    }
}

impl Clone for Spare {
    fn clone(&self) -> Self {
        Spare::default()
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spare")
    }
}

impl Call {
    /// As new, but for memory.
    fn reset(&mut self) {
        let Call {
            context,
            context_written,
            handler,
            input_ended,
            unfinished,
            output_ended,
            stop,
            input_failure,
            inbox,
        } = self;
        (*context, *stop, *input_failure) = (None, None, None);
        *handler = Handler::Waits;
        (*context_written, *input_ended) = (false, false);
        (*unfinished, *output_ended) = (false, false);
        inbox.clear();
    }

    fn is_over(&self) -> bool {
        self.input_ended && self.output_ended && self.handler != Handler::Runs
    }

    /// Takes an event, valid or not, or a piece of one.
    fn read_data(
        &mut self,
        call: u64,
        event: Option<Result<Event, String>>,
        chunk: Option<Bytes>,
        more: bool,
    ) -> Result<(), Malformed> {
        match (event, chunk) {
            (None, None) => return Ok(()),
            (Some(_), None) if self.unfinished => return Err(event_unfinished(call)),
            (Some(Ok(event)), None) => self.inbox.push(Item::Event { event, more }),
            (Some(Err(reason)), None) => {
                self.inbox.fail(Status::new(Code::InvalidArgument, reason))
            }
            (None, Some(bytes)) if self.unfinished => self.inbox.push(Item::Chunk { bytes, more }),
            (_, Some(_)) => return Err(chunk_without_event(call)),
        }
        self.unfinished = more;
        Ok(())
    }

    fn read_end(&mut self, call: u64, end: Status) -> Result<(), Malformed> {
        if end.is_ok() && self.unfinished {
            return Err(end_unfinished(call));
        }
        self.input_ended = true;
        if end.is_ok() {
            self.inbox.push(Item::End);
        } else {
            self.inbox.fail(end.clone());
            self.input_failure.get_or_insert(end);
        }
        Ok(())
    }

    /// Ends the output.
    fn end(&mut self, call: u64, result: Result<(), Status>) -> Message {
        let result = self.stop.clone().map_or(result, Err);
        self.output_ended = true;
        let end = Some(result.err().map_or_else(Status::ok, bounded));
        Message {
            call,
            context: self.context_to_write(),
            end,
            ..Message::default()
        }
    }

    fn context_to_write(&mut self) -> Option<Context> {
        if self.context_written {
            None
        } else {
            self.context_written = true;
            self.context.clone()
        }
    }
}

/// What a sender may write of a status.
pub(super) fn bounded(mut status: Status) -> Status {
    const MESSAGE: usize = 4096;
    const DETAILS: usize = 8192;
    let cut = (0..=MESSAGE.min(status.message.len()))
        .rev()
        .find(|&at| status.message.is_char_boundary(at));
    status.message.truncate(cut.unwrap_or(0));
    let mut room = DETAILS;
    status.details.retain(|name, value| {
        let grammar = !name.is_empty()
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let fits = grammar && name.len() + value.len() <= room;
        room -= if fits { name.len() + value.len() } else { 0 };
        fits
    });
    status
}

fn gone() -> Status {
    Status::new(Code::Unavailable, "the call is over")
}

fn input_ended(call: u64) -> Malformed {
    let (expected, came) = (
        "nothing but `cancel` after the end of the input",
        "`event`, `chunk` or `end`",
    );
    Malformed {
        rule: "stream-input-ended",
        call,
        expected,
        came,
    }
}

fn chunk_without_event(call: u64) -> Malformed {
    let (expected, came) = (
        "an `event` with `more` before a `chunk`",
        "a `chunk` for no unfinished event",
    );
    Malformed {
        rule: "chunk-without-event",
        call,
        expected,
        came,
    }
}

fn event_unfinished(call: u64) -> Malformed {
    let (expected, came) = (
        "the rest of the data of an unfinished event",
        "another `event`",
    );
    Malformed {
        rule: "chunk-event-unfinished",
        call,
        expected,
        came,
    }
}

fn end_unfinished(call: u64) -> Malformed {
    let (expected, came) = ("the rest of the data of an unfinished event", "`end` OK");
    Malformed {
        rule: "chunk-end-unfinished",
        call,
        expected,
        came,
    }
}
