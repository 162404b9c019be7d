//! Stream mode: many calls over one pair of streams.
//!
//! Threads take turns. One of them reads, blocking; when what it has read starts a call, it runs the
//! handler itself, and another one reads on unless the handler is quick. So no call changes threads
//! before its handler starts, and reading never waits for a handler, or but for a moment: there is
//! one thread more than calls may run at once. A call of a quick handler is one `read` and one
//! `write`; calls that were read together are answered together.
//!
//! `main` waits beside them for what a blocking read does not see: SIGTERM, and an output that
//! nobody reads any more.

mod output;
mod port;
mod reader;
mod seat;
#[cfg(test)]
mod tests;
mod turns;
mod wake;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::call::Call;
use super::exit::Exit;
use super::guard::Streams;
use super::session::{Effect, Job, Session};
use super::{Details, Handler, hello};
use crate::{Code, Encoding, Environment, Event, Message, Status};

use output::Output;
use port::{Signal, StreamPort};
use reader::{Reader, Turn};
use seat::{Seat, Who};
pub use turns::Turns;
pub(super) use wake::Wake;

/// What the driver has to know.
pub(super) struct Settings {
    pub(super) encoding: Encoding,
    pub(super) concurrency: usize,
    pub(super) max_message_bytes: usize,
    pub(super) max_event_bytes: usize,
    /// The peer takes events in pieces.
    pub(super) chunks: bool,
    pub(super) producer: String,
}

/// Serves until the input ends.
pub(super) fn serve(
    environment: &Environment,
    settings: Settings,
    streams: Streams,
    wake: impl FnOnce() -> io::Result<(Wake, Option<Wake>)>,
    init: impl FnOnce() -> Result<Details, Status>,
    handler: Handler,
) -> Exit {
    let init = init();
    // Until here SIGTERM ends the process as it always does.
    let (over, interrupt) = match wake() {
        Ok(wakes) => wakes,
        Err(error) => return Exit::broken("preparing for SIGTERM", error),
    };
    let shared = match prepare(
        environment,
        settings,
        streams,
        over,
        interrupt,
        init,
        handler,
    ) {
        Ok(shared) => Arc::new(shared),
        Err(exit) => return exit,
    };
    shared.add_thread(&mut shared.state());
    if shared.over.wait_or_closed(shared.output.as_fd()) {
        shared.exit(Exit::BrokenPipe);
    } else if shared.over.is_terminated() && shared.state().exit.is_none() {
        // On a thread that may get stuck in writing what nobody takes.
        let ending = Arc::clone(&shared);
        let ended = thread::Builder::new().spawn(move || ending.terminate());
        if ended.is_ok() {
            shared.wait_for_exit(TERMINATION);
        }
    }
    let exit = shared.state().exit.clone();
    exit.unwrap_or(Exit::Done)
}

/// Exchanges hellos; what the threads share from then on.
fn prepare(
    environment: &Environment,
    settings: Settings,
    streams: Streams,
    over: Wake,
    interrupt: Option<Wake>,
    init: Result<Details, Status>,
    handler: Handler,
) -> Result<Shared, Exit> {
    let mut reader = Reader::new(streams.input, environment);
    let output = Output::new(streams.output);
    let first = reader.hello(&output, &over)?;
    let greeting = hello::answer(first.as_ref(), init, &settings.producer);
    let status = greeting.status.clone();
    output
        .lock()
        .write(&hello::message(greeting), settings.encoding)
        .map_err(|error| Exit::broken("writing hello to stdout", error))?;
    if !status.is_ok() {
        return Err(Exit::Failed(status));
    }
    Ok(Shared {
        state: Mutex::new(State {
            session: Session::new(settings.concurrency, settings.max_message_bytes),
            signals: HashMap::new(),
            threads: 0,
            paused: false,
            exit: None,
        }),
        seat: Seat::new(reader),
        output,
        resumed: Condvar::new(),
        interrupt,
        over,
        settings,
        handler,
    })
}

/// How long after SIGTERM the process waits for its last messages to be taken. A host gives it 5 s.
const TERMINATION: Duration = Duration::from_secs(2);
const _: () = assert!(TERMINATION.as_secs() < 5);

/// What the threads share. Locks are taken in the order of these fields: seat, output, state.
struct Shared {
    seat: Seat,
    output: Output,
    state: Mutex<State>,
    /// For whoever reads, where that is paused.
    resumed: Condvar,
    /// For whoever reads, where the process does not end with the function.
    interrupt: Option<Wake>,
    /// For `main`: the process may end, or is told to.
    over: Wake,
    settings: Settings,
    handler: Handler,
}

struct State {
    session: Session,
    /// Of the calls whose handlers wait, or have waited.
    signals: HashMap<u64, Arc<Signal>>,
    threads: usize,
    /// Whoever reads waits for handlers to take something or to return.
    paused: bool,
    exit: Option<Exit>,
}

/// A call that may run now.
struct Start {
    job: Job,
    /// Its first event, if that is whole: most handlers want it at once.
    first: Option<Event>,
    /// Nothing more comes.
    input_done: bool,
}

impl State {
    /// The next call whose handler may start.
    fn start(&mut self) -> Option<Start> {
        let job = self.session.start_next()?;
        let (first, input_done) = self.session.take_first(job.call);
        Some(Start {
            job,
            first,
            input_done,
        })
    }

    /// The handler of a call has returned. The `end` to be written, if one is owed.
    fn finish(&mut self, call: u64, result: Result<(), Status>) -> Option<Message> {
        if !self.signals.is_empty() {
            self.signals.remove(&call);
        }
        self.session.finish(call, result)
    }

    /// The same of one whose end is written.
    fn forget(&mut self, written: Option<u64>) {
        if let Some(call) = written {
            let end = self.finish(call, Ok(()));
            debug_assert_eq!(end, None);
        }
    }
}

impl Shared {
    /// Takes turns until the process may end.
    fn work(self: &Arc<Self>) {
        let mut who = Who::New;
        let mut written = None;
        while let Some(start) = self.next_call(who, written) {
            written = self.run(start);
            who = Who::Returns;
        }
    }

    /// The next call to run. The one before it is over if its end is `written`.
    fn next_call(self: &Arc<Self>, mut who: Who, mut written: Option<u64>) -> Option<Start> {
        loop {
            let back = match who {
                Who::Returns => self.seat.take_back(),
                Who::New => None,
            };
            let mut reader = match back {
                Some(reader) => reader,
                None => {
                    let start = self.start(written.take());
                    if start.is_some() {
                        return start;
                    }
                    self.seat.take(who)
                }
            };
            match reader.lead(self, written.take()) {
                Turn::Run(start) => {
                    // Reading goes on while the handler runs.
                    if !reader.leave() {
                        self.add_thread(&mut self.state());
                    }
                    return Some(start);
                }
                Turn::Flush => {
                    // Reading goes on while nobody takes it.
                    reader.leave();
                    self.flush();
                    who = Who::Returns;
                }
                Turn::Exit(exit) => {
                    // Who writes is waited for: it may be the ends that SIGTERM asks for.
                    self.output.expect_more(false);
                    self.flush();
                    // Before others get to read: what is behind a fault has no place any more.
                    self.exit(exit);
                    drop(reader);
                    return None;
                }
            }
        }
    }

    /// A call that waits to run, while another thread reads.
    fn start(&self, written: Option<u64>) -> Option<Start> {
        let mut state = self.state();
        state.forget(written);
        let start = state.start();
        if state.paused {
            self.resumed.notify_all();
        }
        start
    }

    fn flush(&self) {
        if let Err(error) = self.output.flush() {
            self.exit(Exit::broken("writing to stdout", error));
        }
    }

    /// Starts a thread, if there may be another one: one more than calls run at once.
    fn add_thread(self: &Arc<Self>, state: &mut State) {
        if state.threads > self.settings.concurrency {
            return;
        }
        state.threads += 1;
        self.seat.expect();
        let shared = Arc::clone(self);
        let name = format!("faas-{}", state.threads);
        let spawned = thread::Builder::new()
            .name(name)
            .spawn(move || shared.work());
        if let Err(error) = spawned {
            let message = format!("starting a thread: {error}");
            self.exit_with(state, Exit::Failed(Status::new(Code::Unavailable, message)));
        }
    }

    /// Runs a handler. The call, if its end is written: then it is over, which can wait until the
    /// state is locked anyway.
    fn run(self: &Arc<Self>, start: Start) -> Option<u64> {
        let number = start.job.call;
        let port = StreamPort::new(Arc::clone(self), start);
        let call = Call::new(Box::new(port), Some(number), self.settings.max_event_bytes);
        let (result, written) = self.seat.time(|| call.run(&self.handler));
        if written {
            return Some(number);
        }
        let mut output = self.output.lock();
        let (end, paused) = {
            let mut state = self.state();
            (state.finish(number, result), state.paused)
        };
        if let Some(end) = end
            && let Err(error) = output.write(&end, self.settings.encoding)
        {
            self.exit(Exit::broken("writing to stdout", error));
        }
        drop(output);
        if paused {
            self.resumed.notify_all();
        }
        None
    }

    /// SIGTERM: ends all calls, and then the process.
    fn terminate(&self) {
        let mut effects = Vec::new();
        let mut output = self.output.lock();
        self.state().session.terminate(&mut effects);
        self.apply(&mut effects, Some(&mut output));
        drop(output);
        self.flush();
        self.exit(Exit::Done);
    }

    /// Waits for an exit, however often SIGTERM comes meanwhile.
    fn wait_for_exit(&self, most: Duration) {
        let begun = Instant::now();
        loop {
            self.over.clear();
            let left = most.saturating_sub(begun.elapsed());
            if self.state().exit.is_some() || left.is_zero() {
                return;
            }
            self.over.wait(left);
        }
    }

    /// Does what a change of the session asks for. `output` is locked before the change, where it
    /// writes, so that nothing comes between.
    fn apply(&self, effects: &mut Vec<Effect>, output: Option<&mut output::Locked<'_>>) {
        let mut output = output;
        for effect in effects.drain(..) {
            match effect {
                Effect::Wake(call) => {
                    if let Some(signal) = self.state().signals.get(&call) {
                        signal.notify();
                    }
                }
                Effect::Write(message) => {
                    let output = output
                        .as_mut()
                        .expect("the output is locked where something is written");
                    if let Err(error) = output.write(&message, self.settings.encoding) {
                        self.exit(Exit::broken("writing to stdout", error));
                    }
                }
            }
        }
    }

    /// The process may end, for the first reason that is given.
    fn exit(&self, exit: Exit) {
        self.exit_with(&mut self.state(), exit);
    }

    fn exit_with(&self, state: &mut State, exit: Exit) {
        if state.exit.is_none() {
            state.exit = Some(exit);
        }
        // Handlers that still run learn it too; nothing that they give is written any more.
        state.session.terminate(&mut Vec::new());
        state.signals.values().for_each(|signal| signal.notify());
        self.resumed.notify_all();
        self.interrupt.iter().for_each(Wake::wake);
        self.over.wake();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of a handler runs under this lock, so a panic can't have left half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
