//! Exit statuses, as in sysexits(3), and what leads to them.

use std::io::{self, Write};
use std::path::Path;

use faas_adapters::{Document, Error, Kind};

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

/// `FAAS_MODE` asks for what this function does not have.
pub(crate) const CONFIG: u8 = 78;

/// Why there is no success, and the exit status that says so.
pub(crate) struct Failure {
    pub(crate) exit: u8,
    /// Empty if nobody wants to read it.
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

    /// What a mapping can't do with, and what could be done about it.
    pub(crate) fn mapping(error: &Error, described: bool) -> Self {
        let advice = match (error.kind(), error.document()) {
            (Kind::Unrecognized, _) if described => "; name the source".to_owned(),
            (Kind::Unrecognized, _) => {
                "; name the source, or say its headers with --delivery FILE".to_owned()
            }
            _ if described => String::new(),
            (_, Document::Delivery) => example(error.pointer()),
            _ => String::new(),
        };
        Failure::data(format!("{error}{advice}"))
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

/// How a description says what stands at a pointer like `/headers/x-github-event`.
fn example(pointer: &str) -> String {
    match pointer.split('/').collect::<Vec<_>>()[..] {
        ["", object, name] => {
            let description = serde_json::json!({ object: { name: "…" } });
            format!("; say it with --delivery FILE, which has {description}")
        }
        _ => String::new(),
    }
}

/// Writes all of it to stdout.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        // As of `head`: who reads no further needs no word about it.
        io::ErrorKind::BrokenPipe => Failure {
            exit: IO,
            message: String::new(),
        },
        _ => Failure::io("stdout", &error),
    })
}
