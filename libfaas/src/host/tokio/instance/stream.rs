//! An instance in stream mode: a session, its pipes, its processes and the ladder.

mod death;
mod ladder;
mod output;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::Interest;
use tokio::time::{Sleep, sleep_until};

use ladder::Ladder;

use super::super::descriptor::{Descriptor, Watched, poll_next_end};
use super::super::function::Tenure;
use super::super::invocation::Serving;
use super::super::port::Wishes;
use super::super::starter::start_instance;
use super::stderr::Stderr;
use crate::host::numbered::Numbered;
use crate::host::{Instance, Notice, Part, Sandbox, Session, Times};
use crate::{Code, Status};

/// What a pipe holds unless somebody changes it.
const PIPE: usize = 64 << 10;
/// Places of which one system call writes.
const SLICES: usize = 16;
/// Bytes that wait to be written before calls have to wait with their input.
const AHEAD: usize = 256 << 10;

/// Runs an instance from its start to its end.
pub(super) async fn run(mut tenure: Tenure) {
    let core = Arc::clone(&tenure.function.core);
    let settings = &core.options.settings;
    let started = start_instance(&core, &tenure.revision, None).await;
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
    calls: Numbered<Entry>,
    /// The number that each invocation has on this stream.
    numbers: Numbered<u64>,
    /// Calls that ended well, of which nobody knows yet.
    ended: Vec<Ended>,
    /// Empty lists for what others will want.
    wishes: Wishes,
    /// Given to this instance, and not opened yet.
    pending: VecDeque<Serving>,
    /// Calls with input that waits for room in `session`.
    hungry: VecDeque<u64>,
    /// The call whose caller must take output before more is read.
    stalled: Option<u64>,
    ladder: Ladder,
    /// Counts the waits.
    turns: u32,
    /// The pipes have been made wider.
    wide: bool,
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

/// What has happened, or can go on.
#[derive(Default)]
struct News {
    wishes: bool,
    written: Option<io::Result<()>>,
    read: Option<io::Result<usize>>,
    process: bool,
    time: bool,
}

impl News {
    fn is_none(&self) -> bool {
        let news = self.wishes || self.process || self.time;
        !news && self.written.is_none() && self.read.is_none()
    }
}

/// A call that ended well.
struct Ended {
    invocation: Serving,
    /// With its `end`.
    last: Part,
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
            calls: Numbered::default(),
            numbers: Numbered::default(),
            ended: Vec::new(),
            wishes: Wishes::default(),
            pending: VecDeque::new(),
            hungry: VecDeque::new(),
            stalled: None,
            ladder: Ladder::Up,
            turns: 0,
            wide: false,
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
        let mut timer = Box::pin(sleep_until(Instant::now().into()));
        while self.over.is_none() {
            self.take_wishes();
            self.feed();
            self.climb_down();
            self.heed();
            if self.over.is_some() {
                break;
            }
            let news = self.wait(timer.as_mut()).await;
            self.apply(news).await;
            self.heed();
        }
        self.end().await;
    }

    /// Writes what the pipe takes, and waits until something has happened.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>) -> News {
        let due = [
            self.session.deadline(),
            self.ladder_due(),
            self.unravelled_by,
        ]
        .into_iter()
        .flatten()
        .min();
        // One that is set for an earlier time stays: most calls end long before theirs is up.
        if let Some(due) = due
            && (timer.is_elapsed() || due < timer.deadline().into_std())
        {
            timer.as_mut().reset(due.into());
        }
        self.turns = self.turns.wrapping_add(1);
        // What most turns are about comes first. Whoever floods the host with that must not keep
        // it from the rest.
        let all = self.turns.is_multiple_of(16);
        poll_fn(|cx| {
            let mut news = News {
                wishes: self.tenure.port.poll_changed(cx).is_ready(),
                ..News::default()
            };
            if news.wishes && !all {
                return Poll::Ready(news);
            }
            news.written = self.poll_write(cx);
            news.read = self.poll_read(cx);
            if news.read.is_some() && !all {
                return Poll::Ready(news);
            }
            news.process = poll_next_end(&mut self.processes, cx).is_ready();
            news.time = due.is_some() && timer.as_mut().poll(cx).is_ready();
            match news.is_none() {
                true => Poll::Pending,
                false => Poll::Ready(news),
            }
        })
        .await
    }

    /// Writes what the pipe takes; Some if there is something to be done about it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Option<io::Result<()>> {
        let stdin = self.stdin.as_ref()?;
        while self.session.unwritten() > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = self.session.outgoing_slices(&mut slices);
            match stdin.poll_write(cx, &slices[..used]) {
                Poll::Ready(Ok(count)) => self.session.wrote(count),
                Poll::Ready(Err(error)) => return Some(Err(error)),
                Poll::Pending => return None,
            }
        }
        // There is more to write, or nothing more will come.
        let more = !self.hungry.is_empty() || self.session.stdin_done();
        more.then_some(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Option<io::Result<usize>> {
        let stdout = self.stdout.as_ref().filter(|_| self.stalled.is_none())?;
        match stdout.poll_append(cx, || self.session.buffer()) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    /// Tells the session what has happened.
    async fn apply(&mut self, news: News) {
        if let Some(Err(_)) = news.written {
            self.write_failed();
        }
        if let Some(read) = news.read {
            self.was_read(read);
        }
        if news.time {
            self.session.tick(Instant::now());
        }
        let unravelled = |by: Instant| by <= Instant::now();
        if news.process || (news.time && self.unravelled_by.is_some_and(unravelled)) {
            self.heed();
            if self.over.is_none() {
                self.look_for_death().await;
            }
        }
    }

    /// What the pool and callers want.
    fn take_wishes(&mut self) {
        let mut wishes = std::mem::take(&mut self.wishes);
        self.tenure.port.exchange(&mut wishes);
        self.pending
            .extend(wishes.opened.drain(..).map(Serving::new));
        self.open();
        for ticket in wishes.touched.drain(..) {
            self.look_at(ticket);
        }
        self.unwanted = wishes.drain;
        if wishes.drain && self.ladder == Ladder::Up {
            self.ladder = Ladder::Drain {
                since: Instant::now(),
            };
        }
        self.wishes = wishes;
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
            let call = self.session.open(attempt.context, attempt.deadline);
            self.stderr.opened(call, &invocation);
            let overruled = None;
            self.calls.insert(
                call,
                Entry {
                    invocation,
                    overruled,
                },
            );
            self.numbers.insert(ticket, call);
            self.hungry.push_back(call);
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
            if let Some((part, more)) = entry.invocation.take_input() {
                self.session.send(call, part);
                if more {
                    self.hungry.push_back(call);
                }
            }
        }
        self.widen();
    }

    /// Makes the pipes as wide as may be, once more than a pipe holds is to be written.
    fn widen(&mut self) {
        if !self.wide && self.session.unwritten() > PIPE {
            self.wide = true;
            for pipe in [&self.stdin, &self.stdout].into_iter().flatten() {
                pipe.widen();
            }
        }
    }

    /// Nobody reads it any more. What the function has, it may still answer.
    fn write_failed(&mut self) {
        self.session.write_end();
        self.stdin = None;
        // One that is not ready has an initialisation that fails, in a moment or in time; it is not
        // one that was asked to go.
        if self.was_ready {
            self.give_up_writing();
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

    /// The session's buffer has so much more, or nothing more comes.
    fn was_read(&mut self, read: io::Result<usize>) {
        let now = Instant::now();
        match read {
            Ok(count) if count > 0 => self.session.read(&[], now),
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
        self.tell_ends();
    }

    fn retire(&mut self) {
        self.retired = true;
        self.tenure.retired();
        self.open();
    }
}
