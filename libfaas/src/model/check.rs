//! What has to hold after every step.

use super::pipe::Pipe;
use super::world::World;
use super::{Broken, ensure};
use crate::Code;
use crate::host::{Notice, Session};

impl World {
    /// What the host has said is heard, what it has to write is written.
    pub(super) fn look(&mut self) -> Result<(), Broken> {
        let now = self.now;
        match &mut self.host {
            None => self.to_host = Pipe::default(),
            // What is due now is not a matter of time.
            Some(host) if host.deadline().is_some_and(|due| due <= now) => host.tick(now),
            Some(_) => {}
        }
        while let Some(notice) = self.host.as_mut().and_then(Session::notice) {
            ensure!(!self.over, "{notice:?} after the kill");
            match notice {
                Notice::Part { call, part } => {
                    let caller = self.callers.get_mut(&call);
                    let Some(caller) = caller else {
                        return Err(format!("call {call}: {part:?} for a call of nobody"));
                    };
                    caller.receive(call, part)?;
                    if caller.end.is_some() {
                        self.check_end(call)?;
                    }
                }
                Notice::Ready(_) => {
                    ensure!(!self.greeted, "a second hello");
                    self.greeted = true;
                }
                Notice::Retired => self.retired = true,
                Notice::Kill(status) => {
                    let left: Vec<_> = self.open().collect();
                    ensure!(
                        left.is_empty(),
                        "killed with {status} while calls are open: {left:?}"
                    );
                    let broken = status.code == Code::Internal && !self.may_be_internal();
                    ensure!(!broken, "the host takes its function for broken: {status}");
                    self.over = true;
                    self.kill();
                }
            }
        }
        self.flush();
        let broken = self.process.exit == Some(65) && self.host.is_some();
        ensure!(!broken, "the function takes its input for malformed");
        self.check_bounds()
    }

    /// A call ends with what the function wrote, or with what the host has a reason for.
    fn check_end(&self, call: u64) -> Result<(), Broken> {
        let caller = &self.callers[&call];
        let Some(end) = &caller.end else {
            return Ok(());
        };
        let wire = self.process.wire.get(&call);
        let answered = wire.and_then(|wire| wire.end.as_ref()) == Some(end);
        if end.is_ok() {
            ensure!(
                answered,
                "call {call}: ended OK, which its function did not write"
            );
            let written = wire.map_or(0, |wire| wire.written);
            ensure!(
                caller.received == written,
                "call {call}: {} of {written} items came",
                caller.received
            );
        }
        let reason = match end.code {
            Code::Cancelled => caller.cancelled,
            Code::DeadlineExceeded => self.late,
            Code::Unavailable => !self.process.is_alive(),
            Code::Internal => self.may_be_internal(),
            _ => false,
        };
        ensure!(
            answered || reason,
            "call {call}: ended with {end} for no reason"
        );
        Ok(())
    }

    /// A function that was killed inside a message, or before its hello.
    fn may_be_internal(&self) -> bool {
        self.cut || !(self.greeted || self.process.is_alive())
    }

    fn check_bounds(&self) -> Result<(), Broken> {
        let open = self.open().count();
        let Some(host) = &self.host else {
            return Ok(());
        };
        ensure!(
            host.live() == open,
            "{} calls are live of {open}",
            host.live()
        );
        ensure!(
            open <= self.setup.concurrency,
            "more calls are open than may be"
        );
        let retired = self.retired && open == 0 && !self.over;
        ensure!(
            !retired,
            "who takes no more calls and has none is not killed"
        );
        let lost = self.to_function.closed && !self.over && !host.outgoing().is_empty();
        ensure!(!lost, "stdin is closed, and not all is written");
        ensure!(
            !self.over || host.outgoing().is_empty(),
            "something is written to who is to be killed"
        );
        Ok(())
    }
}
