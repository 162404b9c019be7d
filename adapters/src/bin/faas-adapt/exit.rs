//! Exit statuses, as in sysexits(3), and what leads to them.

use std::io::{self, Write};
use std::path::Path;

use faas_adapters::Error;

/// Events were written, or what is no event was said.
pub(crate) const DONE: u8 = 0;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// The payload, its delivery's description or an answer can't be done with.
pub(crate) const DATA: u8 = 65;
/// A file that the command line names can't be read.
pub(crate) const NO_INPUT: u8 = 66;
/// Reading stdin or writing stdout failed.
pub(crate) const IO: u8 = 74;

/// Why there is no success, and the exit status that says so.
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure {
            exit: USAGE,
            message: message.into(),
        }
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Failure {
            exit: DATA,
            message: message.into(),
        }
    }

    pub(crate) fn no_input(path: &Path, error: &io::Error) -> Self {
        Failure {
            exit: NO_INPUT,
            message: format!("{}: {error}", path.display()),
        }
    }

    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        Failure {
            exit: IO,
            message: format!("{what}: {error}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::data(error.to_string())
    }
}

/// Writes all of it to stdout.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::io("stdout", &error))
}
