//! The way down of an instance: EOF, SIGTERM, SIGKILL.

use std::time::Instant;

use rustix::process::Signal;

use super::Live;
use crate::host::settings::later;
use crate::{Code, Status};

/// The rungs that an instance goes down (spec/lifecycle.md, "The ladder").
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ladder {
    Up,
    /// No further calls; stdin is closed once the input of those that are open is complete, or at
    /// half of the drain time.
    Drain {
        since: Instant,
    },
    Terminate {
        since: Instant,
    },
}

impl Live<'_> {
    /// Goes down the ladder when it is time.
    pub(super) fn climb_down(&mut self) {
        if self.ladder == Ladder::Up {
            return;
        }
        let now = Instant::now();
        match self.ladder {
            Ladder::Up => {}
            Ladder::Drain { since } => {
                let complete = self.pending.is_empty()
                    && self
                        .calls
                        .values()
                        .all(|entry| entry.invocation.input_taken());
                if complete || later(since, self.times.drain / 2) <= now {
                    self.session.close();
                }
                if self.session.stdin_done() {
                    self.stdin = None;
                    self.drained = true;
                }
                if later(since, self.times.drain) <= now {
                    self.processes
                        .iter()
                        .for_each(|process| process.signal(Signal::TERM));
                    self.ladder = Ladder::Terminate { since: now };
                }
            }
            Ladder::Terminate { since } => {
                if later(since, self.times.term_grace) <= now {
                    let message = "the instance was killed: it did not end after SIGTERM";
                    self.over = Some(Status::new(Code::Unavailable, message));
                }
            }
        }
    }

    pub(super) fn ladder_due(&self) -> Option<Instant> {
        match self.ladder {
            Ladder::Up => None,
            // Closed, stdin waits for what is still to be written, and not for a time.
            Ladder::Drain { since } if self.session.is_closed() => {
                Some(later(since, self.times.drain))
            }
            Ladder::Drain { since } => Some(later(since, self.times.drain / 2)),
            Ladder::Terminate { since } => Some(later(since, self.times.term_grace)),
        }
    }
}
