//! Bytes to a program and back. Subjects and limits are started and spoken to by the same code, so
//! that what it costs is in both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::programs::READ;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::subject::Subject;
use crate::subject::launch::Stage;

/// What is started, and how.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// What people call it.
    pub(super) name: String,
    pub(super) stages: Vec<Stage>,
    pub(super) env: BTreeMap<String, String>,
    /// How long one answer may take.
    pub(super) patience: Duration,
}

impl Launch {
    pub(super) fn start(&self) -> Result<Subject> {
        Subject::start(&self.stages, &self.env).map_err(|e| {
            Error::not_judged(
                format!("{} can't be started: {e}", self.name),
                "the command after `--` has to be an executable file",
            )
        })
    }

    /// The same for one that runs, with how it is.
    pub(super) fn refuse(&self, what: &str, subject: &mut Subject) -> Error {
        self.refused(&format!("{what}; {}", subject.last_words()))
    }

    /// Nothing is measured of what does not do what it should.
    pub(super) fn refused(&self, what: &str) -> Error {
        Error::not_judged(
            format!("{}: {what}", self.name),
            "only right answers are measured; `faas-conformance function` or `runtime` says what is wrong, rule by rule",
        )
    }
}

/// A running program and the bytes on their way to it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) launch: Launch,
    pub(super) subject: Subject,
    outgoing: Vec<u8>,
    written: usize,
    buffer: Box<[u8]>,
    /// When patience ends.
    deadline: Instant,
}

impl Link {
    pub(super) fn start(launch: Launch) -> Result<Link> {
        let subject = launch.start()?;
        subject.widen();
        Ok(Link {
            deadline: Instant::now() + launch.patience,
            launch,
            subject,
            outgoing: Vec::new(),
            written: 0,
            buffer: vec![0; READ].into(),
        })
    }

    /// Begins to wait anew: an answer has come, or nothing was asked for.
    pub(super) fn be_patient(&mut self) {
        self.deadline = Instant::now() + self.launch.patience;
    }

    /// What is still to be written; more can be added.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    pub(super) fn refuse(&mut self, what: &str) -> Error {
        self.launch.refuse(what, &mut self.subject)
    }

    /// Writes what is there to be written, waits, and gives what has come.
    pub(super) fn turn(&mut self) -> Result<&[u8]> {
        loop {
            self.write();
            let ready = self.subject.ready(!self.outgoing.is_empty(), self.deadline);
            let ready = ready.map_err(|e| self.refuse(&format!("it can't be waited for: {e}")))?;
            if ready.stdout {
                let (_, stdout) = self.subject.wires().expect("both are open");
                match rustix::io::read(stdout, &mut self.buffer[..]) {
                    Ok(0) => return Err(self.refuse("its stdout ended before it had answered")),
                    Ok(count) => return Ok(&self.buffer[..count]),
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(e) => return Err(self.refuse(&format!("its stdout can't be read: {e}"))),
                }
            }
            if !ready.stdin && !ready.stdout && interrupt::raised() {
                return Err(interrupted());
            }
            if Instant::now() >= self.deadline {
                let patience = self.launch.patience.as_secs_f64();
                return Err(self.refuse(&format!("no answer came within {patience} s")));
            }
        }
    }

    fn write(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        let (stdin, _) = self.subject.wires().expect("both are open");
        while self.written < self.outgoing.len() {
            match rustix::io::write(stdin, &self.outgoing[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads it; that stdout ends says it better.
                Err(_) => break,
            }
        }
        self.outgoing.clear();
        self.written = 0;
    }
}

pub(super) fn interrupted() -> Error {
    Error::not_judged(
        "the measurement was interrupted",
        "run it again for figures",
    )
}

impl Drop for Link {
    /// Ends it as a host does, so that it can put away what it has: a runtime's driver has more than
    /// processes. Whatever is left is killed.
    fn drop(&mut self) {
        const DRAIN: Duration = Duration::from_secs(2);
        let deadline = Instant::now() + DRAIN.min(self.launch.patience);
        self.subject.close_stdin();
        let mut rest = Vec::new();
        while self.subject.exit().is_none() && Instant::now() < deadline && !interrupt::raised() {
            if self.subject.turn(deadline, &mut rest).is_err() {
                break;
            }
            rest.clear();
        }
    }
}
