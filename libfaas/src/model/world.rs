//! Two sessions, two pipes, and who is at their ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::function::Process;
use super::pipe::Pipe;
use super::{Act, Amount, Broken, Fault, Item, Setup, Step, ensure};
use crate::Context;
use crate::host::session::Options;
use crate::host::{Death, Exit, Session};

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) now: Instant,
    /// None once the host has died.
    pub(super) host: Option<Session>,
    pub(super) callers: BTreeMap<u64, Caller>,
    pub(super) process: Process,
    pub(super) to_function: Pipe,
    pub(super) to_host: Pipe,
    /// Whether the host was told to close.
    pub(super) closed: bool,
    pub(super) eof_to_function: bool,
    pub(super) eof_to_host: bool,
    pub(super) told_of_end: bool,
    /// Some time has passed, so that deadlines may have.
    pub(super) late: bool,
    /// The function was killed inside a message.
    pub(super) cut: bool,
    pub(super) greeted: bool,
    /// The host opens no more calls.
    pub(super) retired: bool,
    /// The host has said that the instance is to be killed.
    pub(super) over: bool,
}

const INIT: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

impl World {
    pub(super) fn new(setup: Setup, now: Instant) -> Self {
        let options = Options {
            spec: "1.0".into(),
            producer: String::new(),
            encoding: setup.encoding,
            concurrency: setup.concurrency,
            chunks: true,
            max_message_bytes: 1 << 20,
            max_event_bytes: None,
            max_output_bytes: None,
            init: INIT,
            cancel_grace: GRACE,
        };
        let mut world = World {
            host: Some(Session::new(options, now)),
            process: Process::new(&setup),
            setup,
            now,
            callers: BTreeMap::new(),
            to_function: Pipe::default(),
            to_host: Pipe::default(),
            closed: false,
            eof_to_function: false,
            eof_to_host: false,
            told_of_end: false,
            late: false,
            cut: false,
            greeted: false,
            retired: false,
            over: false,
        };
        world.flush();
        world
    }

    /// Everything that may happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(host) = &self.host {
            if (self.callers.len() as u64) < self.setup.calls && host.room() > 0 {
                steps.push(Step::Open);
            }
            for (&call, caller) in self
                .callers
                .iter()
                .filter(|(_, caller)| caller.end.is_none())
            {
                if caller.may_send() {
                    let items = caller.choices(self.setup.items, self.setup.pieces);
                    steps.extend(items.into_iter().map(|item| Step::Send(call, item)));
                }
                if !caller.cancelled {
                    steps.push(Step::Cancel(call));
                }
            }
            steps.extend((!self.closed && !self.over).then_some(Step::Close));
        }
        steps.extend(self.moves());
        steps.extend(self.timer().map(|_| Step::Tick));
        let blocked = self.to_host.len() >= self.setup.capacity;
        for (&call, handler) in &self.process.handlers {
            let acts = self.process.acts(handler, call, blocked);
            steps.extend(acts.into_iter().map(|act| Step::Handler(call, act)));
        }
        if self.setup.deaths && self.process.is_alive() {
            steps.push(Step::Terminate);
            steps.push(Step::FunctionDies { cut: false });
            steps.extend((!self.to_host.is_empty()).then_some(Step::FunctionDies { cut: true }));
            steps.extend(self.host.is_some().then_some(Step::HostDies));
        }
        steps
    }

    /// What of it is bytes and ends on their way.
    pub(super) fn moves(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.process.is_alive() {
            if !self.to_function.is_empty() {
                steps.push(Step::ToFunction(Amount::One));
                if self.setup.cuts && self.to_function.is_at_message() {
                    steps.push(Step::ToFunction(Amount::Half));
                }
            } else if self.to_function.closed && !self.eof_to_function && !self.has(Fault::LoseEof)
            {
                steps.push(Step::EofToFunction);
            }
        }
        if self.host.is_none() {
            return steps;
        }
        if !self.to_host.is_empty() {
            steps.push(Step::ToHost(Amount::One));
            if self.setup.cuts && self.to_host.is_at_message() {
                steps.push(Step::ToHost(Amount::Half));
            }
            if self.to_host.has_more() {
                steps.push(Step::ToHost(Amount::All));
            }
        } else if !self.process.is_alive() && !self.has(Fault::LoseDeath) {
            // In either order.
            steps.extend((!self.eof_to_host).then_some(Step::EofToHost));
            steps.extend((!self.told_of_end).then_some(Step::Ended));
        }
        steps
    }

    /// When the host wants to be told the time.
    pub(super) fn timer(&self) -> Option<Instant> {
        let lost = self.has(Fault::LoseTime);
        self.host.as_ref().filter(|_| !lost)?.deadline()
    }

    pub(super) fn apply(&mut self, step: Step) -> Result<(), Broken> {
        match step {
            Step::Handler(call, act) => return self.act(call, act),
            Step::ToFunction(amount) => {
                let bytes = self.to_function.read(amount);
                self.process.read(Some(&bytes), &mut self.to_host)?;
            }
            Step::EofToFunction => {
                self.eof_to_function = true;
                self.process.read(None, &mut self.to_host)?;
            }
            Step::Terminate => self.process.terminate(&mut self.to_host)?,
            Step::FunctionDies { cut } => {
                self.cut |= cut && self.to_host.cut();
                self.kill();
            }
            Step::HostDies => {
                // Who reads stdout may be the next stage of a pipeline, so the function goes on to its end.
                self.host = None;
                self.to_function.closed = true;
            }
            _ => self.apply_to_host(step)?,
        }
        self.look()
    }

    fn apply_to_host(&mut self, step: Step) -> Result<(), Broken> {
        let now = self.now;
        let Some(host) = &mut self.host else {
            return Ok(());
        };
        match step {
            Step::Open => {
                let timed = self.callers.len().is_multiple_of(2);
                let context = Context {
                    attempt: 1,
                    ..Context::default()
                };
                let call = host.open(context, timed.then(|| now + TIMEOUT));
                let known = self.callers.insert(call, Caller::default());
                ensure!(known.is_none(), "call {call}: opened twice");
            }
            Step::Send(call, item) => {
                let part = self.callers.get_mut(&call).expect("a caller").send(item);
                host.send(call, part);
            }
            Step::Cancel(call) => {
                self.callers.get_mut(&call).expect("a caller").cancelled = true;
                host.cancel(call, "");
            }
            Step::Close => {
                self.closed = true;
                host.close();
            }
            Step::ToHost(amount) => host.read(&self.to_host.read(amount), now),
            Step::EofToHost => {
                self.eof_to_host = true;
                host.read_end(now);
            }
            Step::Ended => {
                self.told_of_end = true;
                let exit = self.process.exit.expect("it has ended");
                let exit = if exit < 0 {
                    Exit::Signal(-exit)
                } else {
                    Exit::Code(exit)
                };
                host.ended(Death::new(exit, ""));
            }
            Step::Tick => {
                let due = host.deadline().unwrap_or(now);
                self.late |= due > now;
                self.now = now.max(due);
                host.tick(self.now);
            }
            _ => {}
        }
        Ok(())
    }

    fn act(&mut self, call: u64, act: Act) -> Result<(), Broken> {
        self.process
            .act(call, act, &self.callers[&call], &mut self.to_host)?;
        self.look()
    }

    pub(super) fn kill(&mut self) {
        self.process.die();
        self.to_host.closed = true;
    }

    /// Writes what the pipe takes.
    pub(super) fn flush(&mut self) {
        let Some(host) = &mut self.host else { return };
        if !self.process.is_alive() && !host.outgoing().is_empty() {
            host.write_end();
        }
        let room = self.setup.capacity.saturating_sub(self.to_function.len());
        let count = room.min(host.outgoing().len());
        if count > 0 {
            self.to_function.write(&host.outgoing()[..count]);
            host.wrote(count);
        }
        self.to_function.closed |= host.stdin_done();
    }

    /// Calls whose callers wait.
    pub(super) fn open(&self) -> impl Iterator<Item = u64> {
        let alive = self.host.is_some();
        let open = self
            .callers
            .iter()
            .filter(move |(_, caller)| alive && caller.end.is_none());
        open.map(|(&call, _)| call)
    }

    /// Whether the host and the pipes hold nothing any more of calls.
    pub(super) fn is_empty(&self) -> bool {
        let host = self.host.as_ref();
        host.is_none_or(|host| {
            host.outgoing().is_empty() && self.callers.keys().all(|&call| !host.is_open(call))
        }) && self.to_function.is_empty()
            && self.to_host.is_empty()
    }

    /// What a caller does that has no more to send.
    pub(super) fn finish_input(&self, call: u64) -> Option<Step> {
        let caller = self.callers.get(&call).filter(|caller| caller.may_send())?;
        let item = if caller.unfinished {
            Item::LastChunk
        } else {
            Item::End
        };
        Some(Step::Send(call, item))
    }

    fn has(&self, fault: Fault) -> bool {
        self.setup.fault == Some(fault)
    }
}
