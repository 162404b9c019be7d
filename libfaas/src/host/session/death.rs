//! How calls end that do not end by themselves: time, and the end of the instance.

use std::time::Instant;

use super::call::Input;
use super::{Notice, Part, Phase, Session, Timer};
use crate::host::{Death, Limit};
use crate::{Code, Status};

impl Session {
    /// Looks at the time; see [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Instant) {
        self.timers.at(now);
        if self.phase == Phase::Over {
            return;
        }
        self.start_graces();
        while let Some(timer) = self.timers.pop() {
            match timer {
                Timer::Init => {
                    let init = self.options.init;
                    let message = format!("no hello within the initialisation time of {init:?}");
                    self.die(Status::new(Code::DeadlineExceeded, message));
                }
                Timer::Death => {
                    let closed =
                        || Status::new(Code::Unavailable, "the function closed its stdout");
                    let cut = self.cut.take().map(|cut| Status::new(Code::Internal, cut));
                    self.die(cut.unwrap_or_else(closed));
                }
                Timer::Call(call) => self.run_out(call),
            }
            self.start_graces();
        }
    }

    /// The process has ended; of a pipeline, any of its stages before stdin was closed, or the last
    /// of them. What its stdout still held has been read.
    pub fn ended(&mut self, death: Death) {
        if matches!(self.phase, Phase::Starting | Phase::Ready) {
            self.decoder.finish();
            self.drain_decoder();
        }
        let greeted = match self.phase {
            Phase::Over => return,
            Phase::Starting => false,
            Phase::Ready => true,
            Phase::Ending { was_ready } => was_ready,
        };
        let status = match (death.limit, self.cut.take()) {
            (Some(Limit::Memory), _) => Status::new(Code::ResourceExhausted, death.message()),
            (_, Some(cut)) if greeted => Status::new(Code::Internal, cut),
            (_, None) if greeted => Status::new(Code::Unavailable, death.message()),
            // By the table of exit statuses; but a call that was not served did not succeed.
            _ => match death.status() {
                status if status.is_ok() => {
                    let message = format!("the function ended before its hello: {}", death.exit);
                    Status::new(Code::Unavailable, message)
                }
                status => status,
            },
        };
        self.die(status);
    }

    /// A call's deadline has passed, or its grace.
    fn run_out(&mut self, call: u64) {
        let ready = self.is_ready();
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        state.due = None;
        if !state.over && state.input != Input::Cancelled {
            let status = Status::new(Code::DeadlineExceeded, "the deadline has passed");
            return self.give_up(call, "deadline", status);
        }
        if !ready && self.phase == Phase::Starting {
            return;
        }
        // `deadline-no-new-calls`: it heard the cancel and did not answer.
        let status = state.given_up.take();
        self.forget(call);
        if !self.retired {
            self.retired = true;
            self.notices.push_back(Notice::Retired);
        }
        match status {
            Some(status) => self.tell_end(call, status),
            None => self.kill_if_idle(),
        }
    }

    /// The graces that began since the time was last told begin now.
    pub(super) fn start_graces(&mut self) {
        for call in self.timers.take_waiting() {
            let due = self.timers.after(self.options.cancel_grace);
            // Before its hello the function may not have looked at its input.
            let due = (self.phase != Phase::Starting).then_some(due);
            if let Some(state) = self.calls.get_mut(&call) {
                self.timers.set(state.due, due, Timer::Call(call));
                state.due = due;
            }
        }
    }

    /// Nothing that comes can be trusted any more (`malformed-host`).
    pub(super) fn malformed(&mut self, reason: String) {
        self.die(Status::new(Code::Internal, reason));
    }

    /// The end of the instance: every call ends, and the driver kills what is left.
    pub(super) fn die(&mut self, status: Status) {
        self.phase = Phase::Over;
        self.timers.clear();
        self.write_end();
        let mut calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        calls.sort_unstable_by_key(|(call, _)| *call);
        for (call, state) in calls {
            if !state.over {
                let part = Part::end(state.dies_of(&status));
                self.notices.push_back(Notice::Part { call, part });
            }
        }
        self.live = 0;
        self.notices.push_back(Notice::Kill(status));
    }

    /// Tells a call's caller how it ended.
    pub(super) fn tell_end(&mut self, call: u64, status: Status) {
        let part = Part::end(status);
        self.notices.push_back(Notice::Part { call, part });
        self.count_end();
    }

    /// A call has ended for its caller.
    pub(super) fn count_end(&mut self) {
        self.live -= 1;
        self.kill_if_idle();
    }

    fn kill_if_idle(&mut self) {
        if self.retired && self.live == 0 && self.phase != Phase::Over {
            let message = "a call outlived its deadline or its cancel, and the instance with it";
            self.die(Status::new(Code::DeadlineExceeded, message));
        }
    }
}
