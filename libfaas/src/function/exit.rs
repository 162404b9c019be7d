//! How a function's process ends.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::{Code, Status};

/// How a function's process ends: a status for the shell, and the last line of stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was read and answered.
    Done,
    /// With the exit status of the code, and the message as the last line of stderr.
    Failed(Status),
    /// The reader of stdout has gone. As with other filters, that is no error, nor a success.
    BrokenPipe,
}

impl Exit {
    /// The status that the process exits with; 141 stands for death by SIGPIPE.
    pub fn status(&self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed(status) => status.code.exit().max(1),
            Exit::BrokenPipe => 141,
        }
    }

    /// Malformed input: exit status 65.
    pub(super) fn malformed(error: &dyn std::error::Error) -> Self {
        Exit::Failed(Status::new(
            Code::InvalidArgument,
            format!("malformed input: {error}"),
        ))
    }

    /// What has gone wrong with a stream other than its content.
    pub(super) fn broken(what: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
            _ => Exit::Failed(Status::new(Code::Internal, format!("{what}: {error}"))),
        }
    }

    /// Ends the process's `main`.
    pub(super) fn report(self) -> ExitCode {
        match &self {
            Exit::Done => {}
            Exit::Failed(status) => {
                // One line, because a host takes the last one for the message.
                let message = if status.message.is_empty() {
                    status.code.name()
                } else {
                    &status.message
                };
                let line: String = message
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect();
                let _ = writeln!(io::stderr(), "{line}");
            }
            Exit::BrokenPipe => {
                // Rust's runtime ignores the signal; a filter whose reader has gone dies of it.
                let _ =
                    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
            }
        }
        ExitCode::from(self.status())
    }
}

impl From<Result<(), Status>> for Exit {
    fn from(result: Result<(), Status>) -> Self {
        match result {
            Err(status) if !status.is_ok() => Exit::Failed(status),
            _ => Exit::Done,
        }
    }
}
