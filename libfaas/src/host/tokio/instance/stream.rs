//! An instance in stream mode: a session, its pipes, its processes and the ladder.

mod death;
mod ladder;
mod output;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::io::Interest;
use tokio::time::{Sleep, sleep_until};

use ladder::Ladder;

use super::super::descriptor::{Descriptor, Watched, next_end, read, write};
use super::super::function::Tenure;
use super::super::invocation::Serving;
use super::stderr::Stderr;
use crate::host::{Instance, Notice, Sandbox, Session, Times};
use crate::{Code, Status};

/// Bytes asked for in one read.
const READ: usize = 32 << 10;
/// Bytes that wait to be written before calls have to wait with their input.
const AHEAD: usize = 256 << 10;

/// Runs an instance from its start to its end.
pub(super) async fn run(mut tenure: Tenure) {
    let core = Arc::clone(&tenure.function.core);
    let settings = &core.options.settings;
    let started = core.starter.start(&tenure.revision, settings, None).await;
    let live = started.and_then(|instance| {
        let failed =
            |error| Status::new(Code::Unavailable, format!("watching an instance: {error}"));
        Live::new(
            &mut tenure,
            instance,
            settings.times,
            settings.max_message_bytes,
        )
        .map_err(failed)
    });
    match live {
        Ok(live) => live.run().await,
        Err(status) => {
            // The calls that it was given before it could be seen to fail end with its status.
            let opened = tenure.port.take().opened;
            for invocation in opened {
                tenure.function.attempt_over(invocation, status.clone());
            }
            tenure.leave(Some(status));
        }
    }
}

struct Live<'a> {
    tenure: &'a mut Tenure,
    session: Session,
    sandbox: Sandbox,
    processes: Vec<Watched>,
    stdin: Option<Descriptor>,
    stdout: Option<Descriptor>,
    stderr: Stderr,
    times: Times,
    /// What a caller may leave in its output.
    hold: usize,
    calls: HashMap<u64, Entry>,
    /// The number that each invocation has on this stream.
    numbers: HashMap<u64, u64>,
    /// Given to this instance, and not opened yet.
    pending: VecDeque<Serving>,
    /// Calls with input that waits for room in `session`.
    hungry: VecDeque<u64>,
    /// The call whose caller must take output before more is read.
    stalled: Option<u64>,
    ladder: Ladder,
    /// The host has closed stdin, and not the function.
    drained: bool,
    was_ready: bool,
    /// No further call may be opened.
    retired: bool,
    /// The pool has asked it to go.
    unwanted: bool,
    /// Calls that are to be tried again once this instance is certainly dead.
    again: Vec<(Serving, Status)>,
    /// A stage has gone before the last one said hello: by then the others have to have followed.
    unravelled_by: Option<Instant>,
    /// Why it is to be killed.
    over: Option<Status>,
}

struct Entry {
    invocation: Serving,
    /// What the call ends with although the function may say something else.
    overruled: Option<Status>,
}

impl<'a> Live<'a> {
    fn new(
        tenure: &'a mut Tenure,
        instance: Instance,
        times: Times,
        hold: usize,
    ) -> std::io::Result<Self> {
        let now = Instant::now();
        let core = &tenure.function.core;
        let session = Session::new(tenure.revision.session(&core.options.settings), now);
        let Instance {
            sandbox,
            processes,
            stdin,
            stdout,
            stderr,
        } = instance;
        let stderr = Stderr::new(stderr, tenure, None)?;
        Ok(Live {
            session,
            sandbox,
            processes: processes
                .into_iter()
                .map(Watched::new)
                .collect::<Result<_, _>>()?,
            stdin: Some(Descriptor::new(stdin, Interest::WRITABLE)?),
            stdout: Some(Descriptor::new(stdout, Interest::READABLE)?),
            stderr,
            times,
            hold,
            calls: HashMap::new(),
            numbers: HashMap::new(),
            pending: VecDeque::new(),
            hungry: VecDeque::new(),
            stalled: None,
            ladder: Ladder::Up,
            drained: false,
            was_ready: false,
            retired: false,
            unwanted: false,
            again: Vec::new(),
            unravelled_by: None,
            over: None,
            tenure,
        })
    }

    async fn run(mut self) {
        let mut buffer = vec![0; READ];
        let mut timer = Box::pin(sleep_until(Instant::now().into()));
        while self.over.is_none() {
            self.take_wishes();
            self.feed();
            self.write();
            self.climb_down(Instant::now());
            self.heed();
            if self.over.is_some() {
                break;
            }
            self.wait(&mut buffer, &mut timer).await;
            self.heed();
        }
        self.end().await;
    }

    /// Waits until something has happened, and tells the session.
    async fn wait(&mut self, buffer: &mut [u8], timer: &mut std::pin::Pin<Box<Sleep>>) {
        let due = [self.session.deadline(), self.ladder_due()]
            .into_iter()
            .flatten()
            .min();
        if let Some(due) = due
            && timer.deadline() != due.into()
        {
            timer.as_mut().reset(due.into());
        }
        let unwritten = !self.session.outgoing().is_empty();
        let (stdin, stdout) = (&self.stdin, &self.stdout);
        tokio::select! {
            () = self.tenure.port.changed() => {}
            read = read(stdout, buffer), if stdout.is_some() && self.stalled.is_none() => {
                self.was_read(read, buffer);
            }
            written = write(stdin, self.session.outgoing()), if stdin.is_some() && unwritten => {
                self.was_written(written);
            }
            () = next_end(&mut self.processes) => self.look_for_death().await,
            () = timer.as_mut(), if due.is_some() => {
                let now = Instant::now();
                self.session.tick(now);
                if self.unravelled_by.is_some_and(|by| by <= now) {
                    self.look_for_death().await;
                }
            }
        }
    }

    /// What the pool and callers want.
    fn take_wishes(&mut self) {
        let wishes = self.tenure.port.take();
        self.pending
            .extend(wishes.opened.into_iter().map(Serving::new));
        self.open();
        for ticket in wishes.touched {
            self.look_at(ticket);
        }
        self.unwanted = wishes.drain;
        if wishes.drain && self.ladder == Ladder::Up {
            self.ladder = Ladder::Drain {
                since: Instant::now(),
            };
        }
    }

    /// Opens the calls that there is room for.
    fn open(&mut self) {
        if self.retired {
            // They came before the pool knew.
            for invocation in std::mem::take(&mut self.pending) {
                self.tenure.finished();
                let status = Status::new(Code::Unavailable, "the instance takes no further call");
                self.tenure.function.put_back(invocation.take(), status);
            }
        }
        while self.session.room() > 0
            && let Some(invocation) = self.pending.pop_front()
        {
            let timeout = self.tenure.revision.bounds.timeout;
            let attempt = invocation.begin(&self.tenure.port, timeout, Instant::now());
            let ticket = invocation.ticket;
            if let Some(reason) = attempt.cancelled {
                self.tenure.finished();
                invocation
                    .take()
                    .finish(Status::new(Code::Cancelled, reason));
                continue;
            }
            let identity = attempt.context.clone();
            let call = self.session.open(attempt.context, attempt.deadline);
            self.stderr.opened(call, &identity);
            let overruled = None;
            self.calls.insert(
                call,
                Entry {
                    invocation,
                    overruled,
                },
            );
            self.numbers.insert(ticket, call);
            self.look_at(ticket);
        }
    }

    /// Something about a call has changed on its caller's side.
    fn look_at(&mut self, ticket: u64) {
        let Some(&call) = self.numbers.get(&ticket) else {
            return;
        };
        let Some(entry) = self.calls.get(&call) else {
            return;
        };
        if let Some(reason) = entry.invocation.looked_at() {
            self.session.cancel(call, &reason);
        }
        if self.stalled == Some(call) && !entry.invocation.stall(self.hold) {
            self.stalled = None;
        }
        self.hungry.push_back(call);
    }

    /// Gives input to the session, from one call after the other, as long as what waits to be
    /// written is little.
    fn feed(&mut self) {
        while self.session.unwritten() < AHEAD
            && let Some(call) = self.hungry.pop_front()
        {
            let Some(entry) = self.calls.get(&call) else {
                continue;
            };
            if let Some(part) = entry.invocation.take_input() {
                self.session.send(call, part);
                self.hungry.push_back(call);
            }
        }
    }

    /// Writes what the pipe takes.
    fn write(&mut self) {
        while let Some(stdin) = &self.stdin
            && !self.session.outgoing().is_empty()
        {
            match stdin.try_write(self.session.outgoing()) {
                Ok(None) => return,
                Ok(Some(count)) => self.was_written(Ok(count)),
                Err(error) => self.was_written(Err(error)),
            }
        }
    }

    fn was_written(&mut self, written: std::io::Result<usize>) {
        match written {
            Ok(count) => self.session.wrote(count),
            // Nobody reads it any more. What the function has, it may still answer.
            Err(_) => {
                self.session.write_end();
                self.stdin = None;
                // One that is not ready has an initialisation that fails, in a moment or in time;
                // it is not one that was asked to go.
                if self.was_ready {
                    self.give_up_writing();
                }
            }
        }
    }

    /// The function has closed stdin by itself: it gets no further call, and is asked to go.
    fn give_up_writing(&mut self) {
        self.retire();
        if self.ladder == Ladder::Up {
            self.ladder = Ladder::Drain {
                since: Instant::now(),
            };
        }
    }

    fn was_read(&mut self, read: std::io::Result<usize>, buffer: &[u8]) {
        let now = Instant::now();
        match read {
            Ok(count) if count > 0 => self.session.read(&buffer[..count], now),
            Ok(_) | Err(_) => {
                self.stdout = None;
                self.session.read_end(now);
            }
        }
    }

    /// Does what the session says.
    fn heed(&mut self) {
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Ready(_) => {
                    self.was_ready = true;
                    self.tenure.ready();
                    if self.stdin.is_none() && !self.drained {
                        self.give_up_writing();
                    }
                    // Ready, but for a stage that has gone.
                    self.unravelled_by = self.unravelled_by.map(|_| Instant::now());
                }
                Notice::Part { call, part } => self.deliver(call, part),
                Notice::Retired => self.retire(),
                Notice::Kill(status) => self.over = Some(status),
            }
        }
    }

    fn retire(&mut self) {
        self.retired = true;
        self.tenure.retired();
        self.open();
    }
}
