//! Stream mode: the calls at work, each on a thread of its own, and what they write.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use libfaas::{Code, Context, Encoding, Event, Message, Status, encode_message};

use crate::call::{Call, Fate, Past};
use crate::fault::fault;
use crate::handler::{self, Draft, handle};
use crate::output::Output;
use crate::setup::Setup;

pub(crate) struct Work {
    state: Mutex<State>,
    /// Told whenever a call got input, or lost its reason to go on.
    pub(crate) changed: Condvar,
    concurrency: usize,
    max_message_bytes: usize,
    /// Kept for faults: whether a call has given more than a pipe holds.
    gave_much: AtomicBool,
    /// Kept for faults: how often the input was read.
    pub(crate) reads: AtomicU64,
}

pub(crate) struct State {
    pub(crate) output: Output,
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) past: Past,
    /// Calls that wait for another to be done.
    queue: VecDeque<u64>,
    running: usize,
    /// Kept for faults.
    pub(crate) late_hello: Option<Message>,
    pub(crate) last_context: Context,
    ended: u64,
    results: u64,
}

impl Work {
    pub(crate) fn new(setup: &Setup, output: Output) -> Arc<Work> {
        let state = State {
            output,
            calls: BTreeMap::new(),
            past: Past::default(),
            queue: VecDeque::new(),
            running: 0,
            late_hello: None,
            last_context: Context::default(),
            ended: 0,
            results: 0,
        };
        Arc::new(Work {
            state: Mutex::new(state),
            changed: Condvar::new(),
            concurrency: if fault!("concurrency-one") {
                1
            } else {
                setup.concurrency
            },
            max_message_bytes: setup.max_message_bytes,
            gave_much: AtomicBool::new(false),
            reads: AtomicU64::new(0),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Handlers panic, but not while they hold this.
        self.state.lock().expect("no holder panics")
    }

    /// Begins a call: at once, or when another is done.
    pub(crate) fn open(self: &Arc<Self>, state: &mut State, n: u64, context: Option<Context>) {
        let invalid = context
            .as_ref()
            .and_then(|context| context.validate().err());
        state.calls.insert(n, Call::new(context));
        if let Some(invalid) = invalid
            && !fault!("context-unchecked")
        {
            state.end(n, Status::new(Code::InvalidArgument, invalid.to_string()));
        } else if state.running < self.concurrency {
            self.start(state, n);
        } else if fault!("excess-refused") && state.open() > self.concurrency {
            state.end(
                n,
                Status::new(Code::ResourceExhausted, "too many calls at once"),
            );
        } else if !(fault!("excess-forgotten") && state.open() > self.concurrency) {
            state.queue.push_back(n);
        }
    }

    /// Fails a call that would make the process hold more than one message's worth of data. Where
    /// there is only one call at a time, whole events wait in the pipe instead.
    pub(crate) fn bound(&self, state: &mut State, n: u64) {
        let Some(call) = state.calls.get(&n) else {
            return;
        };
        if state.queue.contains(&n) && self.holds_up(state) {
            if fault!("waiting-stops-reading") {
                loop {
                    thread::park();
                }
            }
            let message = format!(
                "more than {} bytes of input wait for their call's turn",
                self.max_message_bytes
            );
            return state.end(n, Status::new(Code::ResourceExhausted, message));
        }
        let one_too_large = call.inbox.is_empty() || call.unfinished.is_some();
        if call.held() <= self.max_message_bytes
            || fault!("hold-unbounded")
            || self.concurrency == 1 && !one_too_large
        {
            return;
        }
        if fault!("hold-stops-reading") {
            loop {
                thread::park();
            }
        }
        state.end(
            n,
            Status::new(
                Code::ResourceExhausted,
                format!("more than {} bytes of input wait", self.max_message_bytes),
            ),
        );
    }

    /// Whether more than one message's worth of data waits for its call's turn, before input that a call wants that
    /// has its turn.
    fn holds_up(&self, state: &State) -> bool {
        let waits = |n: &u64| state.queue.contains(n);
        let open = || state.calls.iter().filter(|(_, call)| !call.output_ended);
        let waiting = open().filter(|(n, _)| waits(n));
        waiting.map(|(_, call)| call.held()).sum::<usize>() > self.max_message_bytes
            && open().any(|(n, call)| !waits(n) && !call.input_ended)
    }

    fn start(self: &Arc<Self>, state: &mut State, n: u64) {
        state.running += 1;
        let work = Arc::clone(self);
        thread::spawn(move || work.run(n));
    }

    /// The life of one call, on its thread.
    fn run(self: &Arc<Self>, n: u64) {
        let mut panicked = false;
        while let Some(event) = self.next_event(n) {
            let mut call = Handle { work: self, n };
            let outcome = catch_unwind(AssertUnwindSafe(|| handle(&event, &mut call)));
            let mut state = self.state();
            if let Some(call) = state.calls.get_mut(&n) {
                call.busy = false;
            }
            self.changed.notify_all();
            let mut status = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(status)) => status,
                Err(_) if fault!("panic-exits") => exit(101),
                Err(_) => {
                    panicked = true;
                    let code = if fault!("panic-unknown") {
                        Code::Unknown
                    } else {
                        Code::Internal
                    };
                    Status::new(code, "the handler panicked")
                }
            };
            if fault!("failure-unknown") && !panicked {
                status.code = Code::Unknown;
            }
            if fault!("failure-goes-on")
                && let Some(call) = state.calls.get_mut(&n)
            {
                call.failure.get_or_insert(status);
                continue;
            }
            let ends = state.calls.get(&n).is_some_and(|call| !call.output_ended);
            if let Some(call) = state.calls.get_mut(&n).filter(|_| ends) {
                call.ended_in = self.reads.load(Ordering::SeqCst);
            }
            state.end(n, status.clone());
            if ends && fault!("end-twice") {
                state.output.message(&Message {
                    call: n,
                    end: Some(status),
                    ..Message::default()
                });
            } else if ends && fault!("event-after-end") {
                state.output.message(&Message {
                    call: n,
                    event: Some(event),
                    ..Message::default()
                });
            }
            break;
        }
        if panicked && fault!("panic-slot-lost") {
            return;
        }
        let mut state = self.state();
        state.running -= 1;
        while let Some(next) = state.queue.pop_front() {
            if state
                .calls
                .get(&next)
                .is_some_and(|call| !call.output_ended)
            {
                self.start(&mut state, next);
                break;
            }
        }
        self.changed.notify_all();
    }

    /// Waits for the call's next event. `None`: there is nothing more to do for it.
    fn next_event(&self, n: u64) -> Option<Event> {
        let mut state = self.state();
        loop {
            let call = state.calls.get_mut(&n).filter(|call| !call.output_ended)?;
            if (!fault!("events-at-end") || call.input_ended)
                && let Some(event) = call.inbox.pop_front()
            {
                call.busy = true;
                return Some(event);
            }
            if call.input_ended {
                let status = call.failure.take().unwrap_or_default();
                state.end(n, status);
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).expect("no holder panics");
        }
    }

    /// Whether a call has given a part of results for which a reader that stalls is needed. What is at
    /// work besides depends on the threads; and the state can't be asked, for who blocks while it
    /// writes holds it.
    pub(crate) fn is_mid_answer(&self) -> bool {
        self.gave_much.load(Ordering::SeqCst)
    }

    /// The input has ended: finishes what is whole, ends what is not, and exits.
    pub(crate) fn drain(&self, status: i32) -> ! {
        let mut state = self.state();
        if fault!("drain-print") {
            state.output.raw(b"bye\n");
        }
        let cut_off: Vec<u64> = state
            .calls
            .iter()
            .filter(|(_, call)| !call.input_ended)
            .map(|(n, _)| *n)
            .collect();
        for n in cut_off {
            if fault!("drain-no-abort") {
                state.forget(n, Fate::Finished);
            }
            let code = if fault!("drain-abort-cancelled") {
                Code::Cancelled
            } else {
                Code::Aborted
            };
            state.end(n, Status::new(code, "the input ended before the call's"));
        }
        self.changed.notify_all();
        while state.calls.values().any(|call| !call.output_ended) {
            state = self.changed.wait(state).expect("no holder panics");
        }
        if fault!("end-on-call-zero") {
            state.output.message(&Message {
                end: Some(Status::ok()),
                ..Message::default()
            });
        }
        state.output.release();
        while fault!("drain-stays") {
            thread::park();
        }
        exit(if fault!("drain-exit-1") { 1 } else { status })
    }

    /// Ends all calls and the process when SIGTERM comes.
    pub(crate) fn watch_sigterm(self: &Arc<Self>) -> io::Result<()> {
        if fault!("sigterm-no-end") {
            return Ok(());
        }
        let (mut told, teller) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, teller)?;
        let work = Arc::clone(self);
        thread::spawn(move || {
            // An error can only mean that nothing will ever come.
            if told.read_exact(&mut [0]).is_err() || fault!("sigterm-ignored") {
                return;
            }
            // A reader that does not read must not keep the process alive.
            thread::spawn(|| {
                thread::sleep(Duration::from_secs(1));
                exit(143);
            });
            let mut state = work.state();
            let open: Vec<u64> = state.calls.keys().copied().collect();
            for n in open {
                state.end(
                    n,
                    Status::new(Code::Unavailable, "the process was told to end"),
                );
            }
            exit(143);
        });
        Ok(())
    }
}

impl State {
    /// How many calls have not been ended.
    fn open(&self) -> usize {
        let open = |call: &&Call| !call.output_ended;
        self.calls.values().filter(open).count()
    }

    /// Ends the call's output, unless it has ended.
    pub(crate) fn end(&mut self, n: u64, status: Status) {
        let Some(call) = self.calls.get_mut(&n).filter(|call| !call.output_ended) else {
            return;
        };
        call.output_ended = true;
        call.inbox.clear();
        call.unfinished = None;
        let (stash, results, input_ended) = (call.stash.take(), call.results, call.input_ended);
        if let Some(event) = stash {
            self.output.message(&Message {
                call: n,
                event: Some(event),
                ..Message::default()
            });
        }
        let context = self.due_context(n, true);
        if results <= 1 || !fault!("end-missing") {
            self.output.message(&Message {
                call: n,
                context,
                end: Some(bounded(status)),
                ..Message::default()
            });
        }
        self.ended += 1;
        if self.ended == 2 && fault!("call-invented") {
            self.output.message(&Message {
                call: n + 1_000_000,
                end: Some(Status::ok()),
                ..Message::default()
            });
        }
        if let Some(hello) = self.late_hello.take() {
            self.output.message(&hello);
        }
        if input_ended {
            self.forget(n, Fate::Finished);
        }
    }

    /// Keeps no more of a call than that it was.
    pub(crate) fn forget(&mut self, n: u64, fate: Fate) {
        self.calls.remove(&n);
        self.past.remember(n, fate);
    }

    fn event(&mut self, n: u64, event: Event) -> Result<(), Status> {
        let context = self.due_context(n, false);
        self.output.event(n, context, event)
    }

    /// The call's context, if it has yet to be written.
    fn due_context(&mut self, n: u64, on_end: bool) -> Option<Context> {
        let call = self.calls.get_mut(&n)?;
        if !call.context_due || fault!("context-lost") || fault!("context-on-end") && !on_end {
            return None;
        }
        call.context_due = false;
        let mut context = call.context.clone()?;
        if fault!("context-extra-lost") {
            context.extra.clear();
        }
        if fault!("context-deadline-raised") {
            context.deadline_ms = context.deadline_ms.map(|deadline| deadline + 1000);
        }
        Some(context)
    }
}

/// The status within the specification's bounds.
fn bounded(mut status: Status) -> Status {
    const MESSAGE: usize = 4096;
    const DETAILS: usize = 8192;
    if status.message.len() > MESSAGE && !fault!("status-message-long") {
        let end = (0..=MESSAGE)
            .rev()
            .find(|at| status.message.is_char_boundary(*at))
            .unwrap_or(0);
        status.message.truncate(end);
    }
    if !fault!("status-detail-name") {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        status
            .details
            .retain(|name, _| !name.is_empty() && name.bytes().all(fits));
    }
    while !fault!("status-details-long")
        && status
            .details
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            > DETAILS
    {
        status.details.pop_last();
    }
    status
}

/// A call as its handler sees it.
struct Handle<'a> {
    work: &'a Work,
    n: u64,
}

impl handler::Call for Handle<'_> {
    fn context(&self) -> Context {
        let state = self.work.state();
        if fault!("context-global") {
            return state.last_context.clone();
        }
        let context = state
            .calls
            .get(&self.n)
            .and_then(|call| call.context.clone())
            .unwrap_or_default();
        if fault!("context-unseen") {
            return Context {
                invocation_id: context.invocation_id,
                ..Context::default()
            };
        }
        context
    }

    fn emit(&mut self, result: Draft) -> Result<(), Status> {
        let n = self.n;
        let mut state = self.work.state();
        state.results += 1;
        let in_all = state.results;
        let Some(call) = state.calls.get_mut(&n).filter(|call| !call.output_ended) else {
            return Err(Status::new(Code::Cancelled, "the call is over"));
        };
        call.results += 1;
        let number = call.results;
        let mut event = result.event;
        if result.unnumbered {
            let invocation = call
                .context
                .as_ref()
                .map_or("", |context| &context.invocation_id);
            let number = match () {
                () if fault!("output-id-from-zero") => number - 1,
                () if fault!("output-id-per-process") => in_all,
                () => number,
            };
            // Without an invocation there is nothing better than the call to name results after.
            event = if invocation.is_empty() {
                event.id(format!("call-{n}/{number}"))
            } else {
                event.id(format!("{invocation}/{number}"))
            };
        }
        let much = |event: &Event| {
            event
                .data()
                .is_some_and(|data| data.as_bytes().len() > 1 << 16)
        };
        let built = event.clone().build();
        if built.as_ref().is_ok_and(much) {
            self.work.gave_much.store(true, Ordering::SeqCst);
        }
        match built {
            Ok(event) if fault!("event-order-swapped") && number == 2 => {
                call.stash = Some(event);
                Ok(())
            }
            Ok(event) => {
                let stash = call.stash.take();
                state.event(n, event)?;
                stash.map_or(Ok(()), |event| state.event(n, event))
            }
            Err(_) if fault!("invalid-output-dropped") => Ok(()),
            Err(_) if fault!("invalid-output-written") => {
                let event = event
                    .id("-")
                    .build()
                    .map_err(|e| Status::new(Code::Internal, e.to_string()))?;
                let mut bytes = Vec::new();
                encode_message(
                    &Message {
                        call: n,
                        event: Some(event),
                        ..Message::default()
                    },
                    Encoding::Json,
                    &mut bytes,
                );
                let text = String::from_utf8_lossy(&bytes).replace(r#""id":"-""#, r#""id":"""#);
                state.output.raw(text.as_bytes());
                Ok(())
            }
            Err(invalid) => Err(Status::new(
                Code::Internal,
                format!("the handler gave an invalid event: {invalid}"),
            )),
        }
    }

    fn wait_for_cancel(&mut self) {
        let mut state = self.work.state();
        while fault!("cancel-not-told")
            || state
                .calls
                .get(&self.n)
                .is_some_and(|call| !call.output_ended)
        {
            state = self.work.changed.wait(state).expect("no holder panics");
        }
    }
}
