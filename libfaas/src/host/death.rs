//! How an instance ended, and what that makes of its calls.

use std::fmt;
use std::process::ExitStatus;

use crate::{Code, Status};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It was never started: 126 or 127 in a shell.
    NotStarted,
}

impl Exit {
    /// The exit that speaks for a pipeline in binary or structured mode (`pipeline-pipefail`): that
    /// of the leftmost stage that failed otherwise than by SIGPIPE; exit 0 if there is none. A stage
    /// that a shell reports as 141 (128 + SIGPIPE) counts as killed by SIGPIPE.
    ///
    /// ```
    /// use libfaas::host::Exit;
    ///
    /// let stages = [Exit::Signal(13), Exit::Code(3), Exit::Code(1)];
    /// assert_eq!(Exit::of_pipeline(stages), Exit::Code(3));
    /// ```
    pub fn of_pipeline(stages: impl IntoIterator<Item = Exit>) -> Exit {
        const SIGPIPE: i32 = 13;
        let failed = |exit: &Exit| {
            !matches!(exit, Exit::Code(0) | Exit::Signal(SIGPIPE))
                && *exit != Exit::Code(128 + SIGPIPE)
        };
        let leftmost = stages.into_iter().find(failed);
        leftmost.unwrap_or(Exit::Code(0))
    }

    /// The code that spec/status.md has for it (`status-exit-mapping`).
    pub fn code(self) -> Code {
        match self {
            Exit::Code(status) => Code::from_exit(status),
            Exit::Signal(_) => Code::Internal,
            Exit::NotStarted => Code::FailedPrecondition,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(status) => write!(f, "exit status {status}"),
            Exit::Signal(signal) => write!(f, "killed by signal {signal}"),
            Exit::NotStarted => write!(f, "not started"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        match (status.code(), signal) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Code(-1),
        }
    }
}

/// Which limit of the host an instance died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The deadline of its only invocation.
    Deadline,
    /// Its memory.
    Memory,
    /// What its only invocation may write.
    Output,
}

/// How an instance ended: all its processes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// How its process ended; of a pipeline, what speaks for all stages.
    pub exit: Exit,
    /// The limit of the host that killed it, if one did.
    pub limit: Option<Limit>,
    /// The last non-empty line of its stderr, the message of a status made from an exit
    /// (`status-message-from-stderr`).
    pub last_line: String,
}

impl Death {
    /// Of a process that no limit killed.
    pub fn new(exit: Exit, last_line: impl Into<String>) -> Self {
        Death {
            exit,
            limit: None,
            last_line: last_line.into(),
        }
    }

    /// The status by the table of exit statuses (`status-exit-mapping`). OK where it exited with 0.
    pub fn status(&self) -> Status {
        let code = match self.limit {
            Some(Limit::Deadline) => Code::DeadlineExceeded,
            Some(Limit::Memory | Limit::Output) => Code::ResourceExhausted,
            None => self.exit.code(),
        };
        if code == Code::Ok {
            return Status::ok();
        }
        Status::new(code, self.message())
    }

    /// What the process said last, or else how it ended.
    pub(super) fn message(&self) -> String {
        let fallback = match self.limit {
            Some(Limit::Deadline) => "killed at its deadline".to_owned(),
            Some(Limit::Memory) => "killed by its memory limit".to_owned(),
            Some(Limit::Output) => "killed by its output limit".to_owned(),
            None => format!("the process ended: {}", self.exit),
        };
        match self.last_line.as_str() {
            "" => fallback,
            line => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_read_by_the_table() {
        for (exit, code) in [
            (Exit::Code(0), Code::Ok),
            (Exit::Code(1), Code::Unknown),
            (Exit::Code(64), Code::InvalidArgument),
            (Exit::Code(65), Code::InvalidArgument),
            (Exit::Code(69), Code::Unavailable),
            (Exit::Code(70), Code::Internal),
            (Exit::Code(75), Code::Unavailable),
            (Exit::Code(77), Code::PermissionDenied),
            (Exit::Code(78), Code::FailedPrecondition),
            (Exit::Code(126), Code::FailedPrecondition),
            (Exit::Code(127), Code::FailedPrecondition),
            (Exit::Code(128), Code::Unknown),
            (Exit::Code(129), Code::Internal),
            (Exit::Code(192), Code::Internal),
            (Exit::Code(193), Code::Unknown),
            (Exit::Code(255), Code::Unknown),
            (Exit::Signal(11), Code::Internal),
            (Exit::NotStarted, Code::FailedPrecondition),
        ] {
            assert_eq!(exit.code(), code, "{exit}");
        }
    }

    #[test]
    fn a_limit_speaks_louder_than_an_exit_and_stderr_louder_than_the_host() {
        let mut death = Death::new(Exit::Signal(9), "");
        assert_eq!(
            death.status().message,
            "the process ended: killed by signal 9"
        );
        death.limit = Some(Limit::Memory);
        assert_eq!(death.status().code, Code::ResourceExhausted);
        death.last_line = "giving up".into();
        assert_eq!(death.status().message, "giving up");
    }

    #[test]
    fn the_leftmost_failure_speaks_for_a_pipeline() {
        let exit = Exit::of_pipeline([
            Exit::Code(0),
            Exit::Code(141),
            Exit::Signal(9),
            Exit::Code(1),
        ]);
        assert_eq!(exit, Exit::Signal(9));
        assert_eq!(
            Exit::of_pipeline([Exit::Signal(13), Exit::Code(0)]),
            Exit::Code(0)
        );
    }
}
