//! Where an instance runs: its level of isolation, its `TMPDIR`, its limits, its processes.
//!
//! On Linux all levels of spec/isolation.md; elsewhere what every host does, and no level.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;

use rustix::process::Signal;

use super::{Level, Revision, Settings};
use crate::{Code, Stage, Status};

#[cfg(target_os = "linux")]
mod linux;
mod measures;
#[cfg(not(target_os = "linux"))]
mod other;
mod tmpdir;

#[cfg(target_os = "linux")]
use linux as platform;
#[doc(hidden)]
pub use measures::{Measure, Measures};
#[cfg(not(target_os = "linux"))]
use other as platform;

/// One instance's surroundings. Every stage of a pipeline runs in the same.
///
/// Dropping it kills and reaps whatever still runs in it and removes what it left.
#[derive(Debug)]
pub struct Sandbox(platform::Sandbox);

/// How a host keeps a level's promises, in a line, for its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Means(pub String);

/// Why this host can't keep a level's promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{level} can't be claimed here: {missing}; {remedy}")]
pub struct Missing {
    /// The level that was asked for.
    pub level: Level,
    /// What the host lacks.
    pub missing: String,
    /// What to do about it.
    pub remedy: String,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The host can't keep what the level promises.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The function asks for something that can't be given here.
    #[error("{0}")]
    Refused(String),
    /// A step failed that succeeds where the level can be claimed.
    #[error("the sandbox could not be made: {step}: {source}")]
    Step {
        /// What was being done.
        step: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program can't be executed.
    #[error("the command `{command}` can't be started: {why}")]
    Command {
        /// The first word of the command.
        command: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The surroundings could not be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl SandboxError {
    pub(super) fn step(step: impl Into<String>, source: impl Into<io::Error>) -> SandboxError {
        SandboxError::Step {
            step: step.into(),
            source: source.into(),
        }
    }
}

impl From<SandboxError> for Status {
    /// FAILED_PRECONDITION where the host or the manifest has to change; UNAVAILABLE where the
    /// system ran out of something.
    fn from(error: SandboxError) -> Status {
        let code = match &error {
            SandboxError::Step { source, .. } if is_scarcity(source) => Code::Unavailable,
            _ => Code::FailedPrecondition,
        };
        Status::new(code, error.to_string())
    }
}

impl From<StartError> for Status {
    fn from(error: StartError) -> Status {
        match error {
            StartError::Sandbox(error) => error.into(),
            StartError::Command { .. } => Status::new(Code::FailedPrecondition, error.to_string()),
        }
    }
}

/// Whether another attempt may succeed when others have given back what they hold.
fn is_scarcity(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let scarce = [
        Errno::AGAIN,
        Errno::NOMEM,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOSPC,
    ];
    scarce
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl Sandbox {
    /// Whether this host can claim the level: by which means, or what is missing.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    pub fn probe(level: Level) -> Result<Means, Missing> {
        platform::Sandbox::probe(level)
    }

    /// Surroundings for one instance of this revision, at the level of the settings.
    ///
    /// # Errors
    ///
    /// The level can't be kept here, the function asks for what can't be given, or a step failed.
    /// A sandbox of a lower level is never the answer.
    pub fn new(revision: &Revision, settings: &Settings) -> Result<Sandbox, SandboxError> {
        platform::Sandbox::new(revision, settings).map(Sandbox)
    }

    /// Has a thread start an instance, or do something else that takes milliseconds: one that
    /// processes can be started from at once, since it lives as long as they may.
    #[cfg(feature = "tokio")]
    pub(super) fn post(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        platform::Sandbox::post(job)
    }

    /// `TMPDIR`, as the function sees it.
    pub fn tmpdir(&self) -> &str {
        self.0.tmpdir()
    }

    /// Starts one command. A first word with a slash is a path from the function's folder; another
    /// is looked up in the `PATH` of `vars`, which is the whole environment.
    ///
    /// # Errors
    ///
    /// The program can't be executed, or the surroundings can't be made.
    pub fn start(
        &self,
        stage: &Stage,
        vars: &BTreeMap<String, String>,
        stdin: OwnedFd,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<Process, StartError> {
        self.0
            .start(stage, vars, [stdin, stdout, stderr])
            .map(Process)
    }

    /// Kills every process of the instance, those too that left their session. Does not wait.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Whether the instance has used more memory than it may, for which it is killed.
    pub fn memory_exceeded(&self) -> bool {
        self.0.memory_exceeded()
    }

    /// Kills what still runs, waits for it to be gone, and removes what it left. The same as
    /// dropping it.
    pub fn destroy(self) {}
}

/// A started command. Its descriptor becomes readable when the process has ended.
///
/// The process is not killed when this is dropped; its [`Sandbox`] does that.
#[derive(Debug)]
pub struct Process(platform::Process);

impl Process {
    /// The process's number on the host.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Sends a signal to the process group that the process leads; to nobody if it has ended.
    pub fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// How the process ended, if it has, which reaps it.
    ///
    /// # Errors
    ///
    /// The system's, for example when somebody else has reaped the process.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    ///
    /// As [`try_wait`](Self::try_wait).
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let mut fds = [rustix::event::PollFd::new(
                self,
                rustix::event::PollFlags::IN,
            )];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
