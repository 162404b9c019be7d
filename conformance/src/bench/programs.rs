//! The other halves of limits: this program itself, as small as it can be.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::process::ExitCode;

use libfaas::{Event, Status};

/// The first argument of whoever is one of these programs.
const FLAG: &str = "--bench-program";
/// Bytes asked for in one read: what a pipe holds on Linux.
pub(super) const READ: usize = 64 << 10;

/// A program of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Sends back what a read has brought.
    Pass,
    /// Sends back so many bytes at a time.
    Echo(usize),
    /// A function that sends back its event.
    Function,
}

impl Program {
    /// The arguments that make this program be it.
    pub(super) fn arguments(self) -> Vec<String> {
        let words = match self {
            Program::Pass => vec!["pass".to_owned()],
            Program::Echo(size) => vec!["echo".to_owned(), size.to_string()],
            Program::Function => vec!["function".to_owned()],
        };
        std::iter::once(FLAG.to_owned()).chain(words).collect()
    }
}

/// The file of this program.
pub(super) fn this() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Is one of these programs, if the arguments say so.
pub fn program() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let size = |text: Option<String>| text?.parse::<usize>().ok().filter(|size| *size > 0);
    Some(match arguments.next().as_deref() {
        Some("pass") => echo(stdin, stdout, 1, READ),
        Some("echo") => match size(arguments.next()) {
            Some(size) => echo(stdin, stdout, size, size),
            None => ExitCode::from(crate::exit::USAGE),
        },
        Some("function") => libfaas::serve(Ok::<Event, Status>),
        _ => ExitCode::from(crate::exit::USAGE),
    })
}

/// Sends back what comes, at least and at most so many bytes at a time, until it ends.
fn echo(input: BorrowedFd<'_>, output: BorrowedFd<'_>, least: usize, most: usize) -> ExitCode {
    let mut buffer = vec![0; most];
    loop {
        let mut held = 0;
        while held < least {
            match rustix::io::read(input, &mut buffer[held..]) {
                Ok(count @ 1..) => held += count,
                _ => return ExitCode::SUCCESS,
            }
        }
        let mut bytes = &buffer[..held];
        while !bytes.is_empty() {
            match rustix::io::write(output, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(_) => return ExitCode::SUCCESS,
            }
        }
    }
}
