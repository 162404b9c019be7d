//! An instance in stream mode, driven by the thread that calls it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::wires::{Appended, Ready, Wires};
use crate::host::settings::later;
use crate::host::{Death, Exit, Notice, Part, Record, Revision, Session, Settings, Times, start};
use crate::{Code, Context, Hello, Status};

pub(super) struct Running {
    wires: Wires,
    session: Session,
    hello: Option<Hello>,
    killed: Option<Status>,
    /// When stdout was last looked at.
    seen: Instant,
    /// Parts of the call that is open.
    parts: VecDeque<(u64, Part)>,
}

impl Running {
    pub(super) fn start(revision: &Revision, settings: &Settings) -> Result<Self, Status> {
        let instance = start(revision, settings, None)?;
        let wires = Wires::new(instance, settings.stderr_bytes).map_err(broken)?;
        Ok(Running {
            wires,
            session: Session::new(revision.session(settings), Instant::now()),
            hello: None,
            killed: None,
            seen: Instant::now(),
            parts: VecDeque::new(),
        })
    }

    pub(super) fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Why it was killed, if it was.
    pub(super) fn killed(&self) -> Option<&Status> {
        self.killed.as_ref()
    }

    /// Sees to what has happened while nobody looked: it may have died.
    pub(super) fn catch_up(&mut self, now: Instant) {
        /// Between two calls that follow each other there is no need to.
        const FOLLOWS: Duration = Duration::from_millis(1);
        if now.duration_since(self.seen) > FOLLOWS {
            self.turn(Some(now));
        }
    }

    pub(super) fn room(&self) -> bool {
        self.session.room() > 0
    }

    pub(super) fn open(&mut self, context: Context, deadline: Option<Instant>) -> u64 {
        self.session.open(context, deadline)
    }

    /// Writes a part, waiting until stdin has taken it.
    pub(super) fn send(&mut self, call: u64, part: Part) {
        self.session.send(call, part);
        self.write();
        while self.session.unwritten() > 0 && self.killed.is_none() {
            self.turn(None);
        }
    }

    /// The next part of a call, which has not ended.
    pub(super) fn next(&mut self, call: u64) -> Part {
        loop {
            while let Some((of, part)) = self.parts.pop_front() {
                if of == call {
                    return part;
                }
            }
            if let Some(status) = &self.killed {
                return Part::end(status.clone());
            }
            self.turn(None);
        }
    }

    pub(super) fn cancel(&mut self, call: u64, reason: &str) {
        self.session.cancel(call, reason);
        self.write();
        self.session.tick(Instant::now());
        self.look();
    }

    /// Waits for something to happen, at most until `until`, and sees to it.
    pub(super) fn turn(&mut self, until: Option<Instant>) {
        let due = [self.session.deadline(), until].into_iter().flatten().min();
        let write = self.session.unwritten() > 0;
        match self.wires.wait(write, due) {
            Ok(ready) => self.apply(ready),
            Err(error) => {
                let death = Death::new(Exit::Code(-1), error.to_string());
                self.session.ended(death);
            }
        }
        self.look();
    }

    fn apply(&mut self, ready: Ready) {
        let now = Instant::now();
        if ready.stdin {
            self.write();
        }
        if ready.stdout {
            self.read(now);
        }
        if ready.stderr {
            let session = &self.session;
            self.wires.read_stderr(|call| session.is_open(call));
        }
        if ready.process && self.wires.reap() {
            self.process_ended(now);
        }
        if self.session.deadline().is_some_and(|due| due <= now) {
            self.session.tick(now);
            self.write();
        }
    }

    /// Writes what stdin takes, and closes it when the session is and all is written.
    fn write(&mut self) {
        self.wires.widen_for(self.session.unwritten());
        while self.session.unwritten() > 0 {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = self.session.outgoing_slices(&mut slices);
            match self.wires.write(&slices[..used]) {
                Some(0) => break,
                Some(count) => self.session.wrote(count),
                None => self.session.write_end(),
            }
        }
        if self.session.stdin_done() {
            self.wires.close_stdin();
        }
    }

    fn read(&mut self, now: Instant) {
        self.seen = now;
        match self.wires.append(self.session.buffer()) {
            Appended::Bytes(_) => self.session.read(&[], now),
            Appended::End => self.session.read_end(now),
            Appended::Nothing => {}
        }
        // What it makes necessary is written at once: the cancel of a call that ended early.
        self.write();
    }

    /// A stage has ended. It ends the instance, unless it was told to.
    fn process_ended(&mut self, now: Instant) {
        let held = self.wires.held();
        let mut read = 0;
        while read < held {
            match self.wires.append(self.session.buffer()) {
                Appended::Bytes(count) => {
                    read += count as u64;
                    self.session.read(&[], now);
                }
                Appended::End | Appended::Nothing => break,
            }
        }
        if self.wires.all_ended() || !self.session.stdin_done() {
            let death = self.wires.death(None);
            self.session.ended(death);
        }
    }

    /// Takes what the session has to say.
    fn look(&mut self) {
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Ready(hello) => self.hello = Some(hello),
                Notice::Part { call, part } => self.parts.push_back((call, part)),
                Notice::Kill(status) => {
                    self.wires.kill();
                    self.killed = Some(status);
                }
                Notice::Retired => {}
            }
        }
    }

    /// The ladder of shutting down.
    pub(super) fn close(&mut self, times: Times) -> Exit {
        self.session.close();
        self.write();
        let mut rung = later(Instant::now(), times.drain);
        let mut terminated = false;
        while !self.wires.all_ended() {
            self.turn(Some(rung));
            if self.wires.all_ended() || Instant::now() < rung {
                continue;
            }
            if terminated {
                self.wires.kill();
            } else {
                self.wires.signal(Signal::TERM);
                terminated = true;
                rung = later(Instant::now(), times.term_grace);
            }
        }
        self.wires.death(None).exit
    }

    /// Kills what is left, and gives what it said.
    pub(super) fn end(mut self) -> Vec<Record> {
        self.wires.kill();
        self.wires.death(None);
        let mut records = Vec::new();
        self.wires.take_records(&mut records);
        records
    }

    pub(super) fn take_records(&mut self, into: &mut impl Extend<Record>) {
        self.wires.take_records(into);
    }
}

pub(super) fn broken(error: io::Error) -> Status {
    Status::new(
        Code::Unavailable,
        format!("the instance can't be driven: {error}"),
    )
}
