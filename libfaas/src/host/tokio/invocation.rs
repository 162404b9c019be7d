//! An invocation between its caller and the instances that attempt it.

mod pieces;
mod serving;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use pieces::Pieces;
pub(super) use serving::Serving;

use super::function::Function;
use super::options::Retry;
use super::port::Port;
use crate::host::Part;
use crate::{Code, Context, Status};

/// Input that a caller may be ahead of its function, in bytes. Beyond it, sending waits.
const AHEAD: usize = 256 << 10;

/// An invocation, from its acceptance to its end.
pub(super) struct Invocation {
    /// Unique on this host.
    pub(super) ticket: u64,
    pub(super) function: Arc<Function>,
    state: Mutex<State>,
    /// There is room for input, or no more use for it.
    room: Notify,
}

struct State {
    context: Context,
    /// When the caller's time is up.
    deadline: Option<Instant>,
    /// Attempts that have begun.
    attempts: u32,
    input: Pieces,
    input_ended: bool,
    /// All input so far, for another attempt; None once there can be none.
    kept: Option<Pieces>,
    output: Pieces,
    /// Wakes who waits for output.
    reader: Option<Waker>,
    /// Somebody waits for room for input.
    room_wanted: bool,
    /// An event of the output is the caller's now.
    passed_on: bool,
    place: Place,
    cancelled: Option<String>,
    /// Nobody takes the output.
    abandoned: bool,
    /// The instance has been told of something that it has not looked at.
    touched: bool,
    /// The instance waits for the caller to take output.
    stalled: bool,
}

enum Place {
    /// In the function's queue, or on the way to an instance.
    Waiting,
    /// Between two attempts.
    Pausing,
    Running(Arc<Port>),
    Over,
}

/// What an instance has to know to begin an attempt.
pub(super) struct Attempt {
    pub(super) context: Context,
    pub(super) deadline: Option<Instant>,
    /// The caller has given the call up.
    pub(super) cancelled: Option<String>,
}

/// What follows an attempt that has ended.
pub(super) enum After {
    Over(Status),
    /// Another attempt, after this pause.
    Again(Duration),
}

impl Invocation {
    pub(super) fn new(
        ticket: u64,
        function: Arc<Function>,
        context: Context,
        deadline: Option<Instant>,
    ) -> Self {
        let state = State {
            context,
            deadline,
            attempts: 0,
            input: Pieces::default(),
            input_ended: false,
            kept: Some(Pieces::default()),
            output: Pieces::default(),
            reader: None,
            room_wanted: false,
            passed_on: false,
            place: Place::Waiting,
            cancelled: None,
            abandoned: false,
            touched: false,
            stalled: false,
        };
        Invocation {
            ticket,
            function,
            state: Mutex::new(state),
            room: Notify::new(),
        }
    }

    pub(super) fn context(&self) -> Context {
        self.state().context.clone()
    }

    /// Until when it may wait for an instance.
    pub(super) fn patience(&self, timeout: Option<Duration>, now: Instant) -> Option<Instant> {
        patience(self.state().deadline, timeout, now)
    }

    // The caller's side.

    /// Waits until input may be added.
    pub(super) async fn input_room(&self) {
        loop {
            if self.state().takes_input() {
                return;
            }
            let room = self.room.notified();
            {
                let mut state = self.state();
                if state.takes_input() {
                    return;
                }
                state.room_wanted = true;
            }
            room.await;
        }
    }

    /// Adds input. What comes after the end of the input, or of the call, is dropped.
    pub(super) fn send(&self, part: Part, retry: &Retry) {
        let mut state = self.state();
        if state.input_ended || matches!(state.place, Place::Over) || state.cancelled.is_some() {
            return;
        }
        state.input_ended = part.end.is_some();
        if retry.attempts < 2 {
            state.kept = None;
        }
        if let Some(kept) = &mut state.kept {
            kept.push(part.clone());
            if kept.bytes > retry.keep {
                state.kept = None;
            }
        }
        state.input.push(part);
        self.touch(state);
    }

    /// The next part of the output; None after the end.
    pub(super) async fn next(&self) -> Option<Part> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// One task at a time.
    fn poll_next(&self, cx: &mut task::Context<'_>) -> Poll<Option<Part>> {
        let mut state = self.state();
        if let Some(part) = state.output.pop() {
            if state.stalled && state.output.bytes < AHEAD {
                self.touch(state);
            }
            return Poll::Ready(Some(part));
        }
        if matches!(state.place, Place::Over) {
            return Poll::Ready(None);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the output has ended, taken or not.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state().place, Place::Over)
    }

    /// Gives the call up; it still ends. Nobody reads the output of a call that is `abandoned`.
    pub(super) fn cancel(self: &Arc<Self>, reason: &str, abandoned: bool) {
        let mut state = self.state();
        if abandoned {
            state.abandoned = true;
            state.output = Pieces::default();
        }
        if state.cancelled.is_some() || matches!(state.place, Place::Over) {
            return;
        }
        state.cancelled = Some(reason.to_owned());
        state.input = Pieces::default();
        state.kept = None;
        self.room_is_there(&mut state);
        match state.place {
            Place::Running(_) => self.touch(state),
            Place::Waiting => {
                drop(state);
                self.function.withdraw(self);
            }
            Place::Pausing => {
                drop(state);
                self.finish(self.cancelled_status());
            }
            Place::Over => {}
        }
    }

    // The instance's side.

    /// Begins an attempt on an instance.
    pub(super) fn begin(
        &self,
        port: &Arc<Port>,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Attempt {
        let mut state = self.state();
        state.attempts += 1;
        let timeout = timeout.and_then(|timeout| now.checked_add(timeout));
        let deadline = earlier(state.deadline, timeout);
        state.place = Place::Running(Arc::clone(port));
        // The instance looks at all there is.
        state.touched = false;
        let mut context = state.context.clone();
        context.attempt = state
            .context
            .attempt
            .max(1)
            .saturating_add(state.attempts - 1);
        if state.deadline != deadline || context.deadline_ms.is_none() {
            context.deadline_ms = deadline.map(|deadline| unix_millis(deadline, now));
        }
        Attempt {
            context,
            deadline,
            cancelled: state.cancelled.clone(),
        }
    }

    /// The instance looks at everything that there is: the next touch is news again.
    pub(super) fn looked_at(&self) -> Option<String> {
        let mut state = self.state();
        state.touched = false;
        state.cancelled.clone()
    }

    /// The next part of the input, and whether there are more already.
    pub(super) fn take_input(&self) -> Option<(Part, bool)> {
        let mut state = self.state();
        let part = state.input.pop()?;
        if state.takes_input() {
            self.room_is_there(&mut state);
        }
        Some((part, !state.input.is_empty()))
    }

    /// Whether the instance has all input that will ever come.
    pub(super) fn input_taken(&self) -> bool {
        let state = self.state();
        (state.input_ended && state.input.is_empty()) || state.cancelled.is_some()
    }

    /// Passes a part of the output on, which has no `end`. How many bytes the caller has not taken.
    pub(super) fn deliver(&self, part: Part) -> usize {
        let mut state = self.state();
        if state.abandoned || matches!(state.place, Place::Over) {
            return 0;
        }
        state.passed_on = true;
        state.kept = None;
        state.output.push(part);
        let held = state.output.bytes;
        wake_reader(state);
        held
    }

    /// Whether the instance must wait before it passes on more than `most` bytes.
    pub(super) fn stall(&self, most: usize) -> bool {
        let mut state = self.state();
        state.stalled = state.output.bytes > most && state.cancelled.is_none();
        state.stalled
    }

    /// Whether an attempt that ended like this is followed by another one.
    pub(super) fn may_be_retried(&self, status: &Status, retry: &Retry) -> bool {
        self.state().pause(status, retry, Instant::now()).is_some()
    }

    /// An attempt has ended: what follows.
    pub(super) fn attempt_ended(&self, status: Status, retry: &Retry, now: Instant) -> After {
        let mut state = self.state();
        let Some(pause) = state.pause(&status, retry, now) else {
            return After::Over(status);
        };
        state.input = state.kept.clone().unwrap_or_default();
        state.place = Place::Pausing;
        After::Again(pause)
    }

    /// Back into the queue: whether it may go there. It may not when it has ended in the meantime.
    pub(super) fn requeue(&self) -> bool {
        let mut state = self.state();
        if matches!(state.place, Place::Over) {
            return false;
        }
        state.place = Place::Waiting;
        true
    }

    /// The status of a call that its caller gave up while no instance had it; None: it did not.
    pub(super) fn given_up(&self) -> Option<Status> {
        let reason = self.state().cancelled.clone()?;
        Some(Status::new(Code::Cancelled, reason))
    }

    /// Ends the call, unless it has ended.
    pub(super) fn finish(&self, status: Status) {
        let code = status.code;
        if self.end(|output| output.end(status)) {
            self.function.call_over(code);
        }
    }

    /// Ends the call with the last part of its output. Its function
    /// [has been told](super::function::Tenure::ended_well).
    pub(super) fn end_well(&self, last: Part) {
        self.end(|output| output.push(last));
    }

    /// Whether it had not ended.
    fn end(&self, last: impl FnOnce(&mut Pieces)) -> bool {
        let mut state = self.state();
        if matches!(state.place, Place::Over) {
            return false;
        }
        state.place = Place::Over;
        state.input = Pieces::default();
        state.kept = None;
        if !state.abandoned {
            last(&mut state.output);
        }
        self.room_is_there(&mut state);
        wake_reader(state);
        true
    }

    fn cancelled_status(&self) -> Status {
        self.given_up().unwrap_or_else(|| Code::Cancelled.into())
    }

    /// Input may be added, or is of no more use.
    fn room_is_there(&self, state: &mut State) {
        if std::mem::take(&mut state.room_wanted) {
            self.room.notify_waiters();
        }
    }

    fn touch(&self, mut state: MutexGuard<'_, State>) {
        if let (Place::Running(port), false) = (&state.place, state.touched) {
            let port = Arc::clone(port);
            state.touched = true;
            drop(state);
            port.touch(self.ticket);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The pause before another attempt, if there may be one.
    fn pause(&self, status: &Status, retry: &Retry, now: Instant) -> Option<Duration> {
        let complete = self.input_ended && self.kept.is_some();
        if self.cancelled.is_some() || self.passed_on || !complete {
            return None;
        }
        if !status.retryable() || self.attempts >= retry.attempts {
            return None;
        }
        let doubled = retry
            .pause
            .saturating_mul(1 << self.attempts.saturating_sub(1).min(16));
        let pause = status.retry_after().unwrap_or(doubled);
        let begins = now.checked_add(pause)?;
        self.deadline
            .is_none_or(|deadline| begins < deadline)
            .then_some(pause)
    }

    fn takes_input(&self) -> bool {
        let over = matches!(self.place, Place::Over) || self.cancelled.is_some();
        over || self.input.bytes < AHEAD
    }
}

fn wake_reader(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// Until when an invocation may wait for an instance: as long as its caller does, at most as long as
/// an attempt may take.
pub(super) fn patience(
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    now: Instant,
) -> Option<Instant> {
    earlier(
        deadline,
        timeout.and_then(|timeout| now.checked_add(timeout)),
    )
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The time on the clock that contexts speak of.
fn unix_millis(at: Instant, now: Instant) -> i64 {
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let then = clock + at.saturating_duration_since(now);
    i64::try_from(then.as_millis()).unwrap_or(i64::MAX)
}

/// The moment on this machine's clock of a context's deadline; None: too far away to matter.
pub(super) fn instant_of(unix_millis: i64, now: Instant) -> Option<Instant> {
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let then = Duration::from_millis(u64::try_from(unix_millis).unwrap_or(0));
    now.checked_add(then.saturating_sub(clock))
}
