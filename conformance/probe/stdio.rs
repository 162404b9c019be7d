//! Keeps descriptors 0 and 1 for the protocol and out of the handler's reach.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;

use crate::fault::fault;

/// The protocol's output, for the faults that lead a child's print or the log to it.
pub(crate) static LEAKED: OnceLock<OwnedFd> = OnceLock::new();

/// The protocol's streams, on descriptors that no child inherits. Descriptor 0 leads to /dev/null
/// from here on, descriptor 1 to stderr.
pub(crate) fn claim() -> io::Result<(File, Stdout)> {
    let input = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    if fault!("child-print-reaches-stdout") || fault!("log-reaches-stdout") {
        LEAKED.get_or_init(|| output.try_clone().expect("a descriptor is left"));
    }
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    if !fault!("stdin-readable") {
        rustix::stdio::dup2_stdin(null)?;
    }
    if !fault!("print-reaches-stdout") {
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    }
    if fault!("large-output-cut") {
        let flags = rustix::fs::fcntl_getfl(&output)?;
        rustix::fs::fcntl_setfl(&output, flags | OFlags::NONBLOCK)?;
    }
    Ok((File::from(input), Stdout(File::from(output))))
}

/// Where the protocol's output goes.
pub(crate) struct Stdout(File);

impl Stdout {
    /// Writes all of it. A reader that is gone ends the process: there is nobody left to work for.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // A pipe holds 64 KiB. How much of a larger message got through would depend on the reader's speed.
        let bytes = match bytes.get(..1 << 16) {
            Some(first) if fault!("large-output-cut") => first,
            _ => bytes,
        };
        match self.0.write_all(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && fault!("large-output-cut") => {}
            Err(_) if fault!("stdout-closed-stays") => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => {
                eprintln!("stdout can't be written: {error}");
                std::process::exit(70)
            }
        }
    }

    /// Another name for the same stream, to watch its reader by.
    pub(crate) fn watcher(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }
}
