//! What comes out of calls, and how their attempts end.

use std::sync::Arc;

use super::super::super::invocation::{Invocation, Serving};
use super::{Ended, Entry, Live};
use crate::host::Part;
use crate::{Code, Status};

impl Live<'_> {
    pub(super) fn deliver(&mut self, call: u64, mut part: Part) {
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let ended_well = part.end.as_ref().is_some_and(Status::is_ok);
        if ended_well && entry.overruled.is_none() {
            if let Some(entry) = self.forget(call) {
                let invocation = entry.invocation;
                self.ended.push(Ended {
                    invocation,
                    last: part,
                });
            }
            return;
        }
        let end = part.end.take();
        let mut held = 0;
        if (part.event.is_some() || part.chunk.is_some()) && entry.overruled.is_none() {
            held = entry.invocation.deliver(part);
        }
        let Some(status) = end else {
            if held > self.hold {
                self.hold_back(call);
            }
            return;
        };
        let Some(entry) = self.forget(call) else {
            return;
        };
        self.tenure.finished();
        let status = entry.overruled.unwrap_or(status);
        self.attempt_over(entry.invocation.take(), status);
    }

    /// Takes a call off the books.
    fn forget(&mut self, call: u64) -> Option<Entry> {
        let entry = self.calls.remove(&call)?;
        self.numbers.remove(&entry.invocation.ticket);
        self.stderr.closed(call);
        if self.stalled == Some(call) {
            self.stalled = None;
        }
        Some(entry)
    }

    /// Tells of the calls that ended well: the pool first, so that there is room for another call
    /// when a caller knows.
    pub(super) fn tell_ends(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        self.tenure.ended_well(self.ended.len());
        for Ended { invocation, last } in self.ended.drain(..) {
            invocation.take().end_well(last);
        }
    }

    /// An attempt has ended. Where the function has not said so itself, another one has to wait until
    /// the process is dead (`retry-after-certainty`).
    pub(super) fn attempt_over(&mut self, invocation: Arc<Invocation>, status: Status) {
        let retry = &self.tenure.function.core.options.retry;
        let certain = !self.session.is_over() && !self.retired;
        if !certain && invocation.may_be_retried(&status, retry) {
            self.again.push((Serving::new(invocation), status));
        } else {
            self.tenure.function.attempt_over(invocation, status);
        }
    }

    /// A caller does not take its output. Alone on its instance it holds the function back, through
    /// the pipe. Among others it is given up, as a function does with a call whose input it can't
    /// hold (`limit-hold`): one caller must not stop the rest.
    fn hold_back(&mut self, call: u64) {
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        if self.tenure.revision.concurrency == 1 {
            if entry.invocation.stall(self.hold) {
                self.stalled = Some(call);
            }
            return;
        }
        let reason = "the caller does not take the output";
        let message = format!("{reason}, of which more than {} bytes wait", self.hold);
        entry.overruled = Some(Status::new(Code::ResourceExhausted, message));
        self.session.cancel(call, reason);
    }
}
