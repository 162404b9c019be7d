//! A subject at work, with what it said taken apart; and why it says nothing, if it does not.

use std::time::{Duration, Instant};

use libfaas::Mode;

use crate::finding::{Finding, Outcome, Stop};
use crate::incoming::{Broken, Incoming};
use crate::interrupt;
use crate::subject::{Subject, describe};

/// Seconds that a silent subject gets after EOF, to find out why it was silent.
const AFTER_EOF: f64 = 2.0;
/// Bytes that a subject may write in one case before it counts as a flood.
const FLOOD: u64 = 256 << 20;
/// What a subject may say beyond what is taken, however few bytes that is; far less than it takes in
/// the suite's memory.
const SURPLUS: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) subject: Subject,
    pub(crate) incoming: Incoming,
    /// Nothing comes any more: stdout has ended, and in binary mode the process too.
    pub(crate) finished: bool,
}

impl Running {
    /// Does what can be done now, or waits until something can be.
    pub(crate) fn turn(&mut self, deadline: Instant, bytes: &mut Vec<u8>) -> Outcome {
        bytes.clear();
        self.subject
            .turn(deadline, bytes)
            .map_err(|e| Stop::Suite(format!("the suite can't drive the subject: {e}")))?;
        if !bytes.is_empty() {
            let texts = self.incoming.feed(bytes);
            self.subject.transcript.read(bytes, texts);
            let flood = if self.subject.received() > FLOOD {
                Some(format!("more than {} MiB on stdout", FLOOD >> 20))
            } else if self.incoming.kept() > SURPLUS {
                Some(format!(
                    "more than {SURPLUS} things on stdout for which nothing asks"
                ))
            } else {
                None
            };
            if let Some(what) = flood.filter(|_| self.incoming.broken.is_none()) {
                let what = format!("{what} in one case");
                self.incoming.broken = Some(Broken {
                    rule: "stdout-only-contract".to_owned(),
                    what,
                });
            }
        }
        if self.subject.stdout_ended() && !self.finished {
            // Binary output counts by the exit status, so it has to be known.
            match self.subject.exit() {
                Some(exit) => self.finish(exit.success()),
                None if !self.incoming.is_raw() => self.finish(true),
                None => {}
            }
        }
        Ok(())
    }

    /// Why something that was expected did not come.
    pub(crate) fn absence(
        &mut self,
        expected: String,
        waited: Duration,
        mode: Mode,
        scale: f64,
    ) -> Finding {
        let mut finding = Finding {
            expected,
            ..Finding::default()
        };
        if let Some(broken) = &self.incoming.broken {
            finding.actual = format!("stdout can't be understood: {}", broken.what);
            finding.rule = Some(broken.rule.clone());
            if self.incoming.producer.is_none() && mode == Mode::Stream {
                finding.hint = Some("Nothing but messages may go to stdout. What a function prints for people belongs on stderr.".into());
            }
            return finding;
        }
        if let Some(status) = self.incoming.refusal() {
            finding.actual = format!("its hello said {status}");
            return finding;
        }
        if self.finished {
            self.wait_for_exit(scale);
            finding.actual = match (self.subject.exit(), self.subject.first_exit()) {
                (Some(exit), _) => format!("the process {} instead", describe(exit)),
                (None, Some((stage, exit))) => format!("stage {stage} {} instead", describe(exit)),
                (None, None) => "the subject closed its stdout instead".to_owned(),
            };
            if mode == Mode::Stream && self.incoming.producer.is_none() {
                finding.hint = Some("In stream mode a process serves many calls: it writes its hello, answers messages, and exits only after EOF on stdin.".to_owned());
            }
            return finding;
        }
        let (_, logged) = self.subject.stderr();
        let more = if self.subject.received() == 0 {
            ""
        } else {
            " more"
        };
        let mut actual = format!(
            "nothing{more} on stdout for {}; the process is running",
            seconds(waited)
        );
        if let Some((stage, exit)) = self.subject.first_exit() {
            actual.push_str(&format!("; stage {stage} {}", describe(exit)));
        }
        if logged > 1 << 20 {
            actual.push_str(&format!(", and wrote {} MiB to stderr", logged >> 20));
        }
        finding.actual = actual;
        if mode == Mode::Stream {
            finding.hint = Some(self.what_eof_brings(scale));
        }
        finding
    }

    fn finish(&mut self, succeeded: bool) {
        self.finished = true;
        self.incoming.finish(succeeded);
    }

    /// stdout ends a moment before its process does.
    fn wait_for_exit(&mut self, scale: f64) {
        let deadline = Instant::now() + Duration::from_secs_f64(scale);
        let mut bytes = Vec::new();
        while self.subject.exit().is_none() && Instant::now() < deadline && !interrupt::raised() {
            if self.turn(deadline, &mut bytes).is_err() {
                break;
            }
        }
    }

    /// What a silent subject does when stdin ends: the classic is output that is held back until then.
    fn what_eof_brings(&mut self, scale: f64) -> String {
        let before = self.subject.received();
        self.subject.close_stdin();
        let deadline = Instant::now() + Duration::from_secs_f64(AFTER_EOF * scale);
        let mut bytes = Vec::new();
        while Instant::now() < deadline
            && self.subject.received() == before
            && !self.finished
            && !interrupt::raised()
        {
            if self.turn(deadline, &mut bytes).is_err() {
                break;
            }
        }
        if self.finished {
            self.wait_for_exit(scale);
        }
        if self.subject.received() > before {
            "Output came as soon as stdin was closed: the function holds it back until EOF. \
             Flush stdout after each message, and read stdin message by message."
        } else if self.finished {
            "It ended as soon as stdin was closed, without having answered: does it read stdin to EOF before it works? \
             In stream mode messages are answered as they come."
        } else {
            "Nothing came when stdin was closed either. If the function only needs longer, give --timeout-scale 3."
        }
        .to_owned()
    }
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
