//! stdout belongs to the contract: what user code prints must not become the wire.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

/// The two streams of the protocol.
#[derive(Debug)]
pub struct Streams {
    /// What the host writes.
    pub input: OwnedFd,
    /// What the function writes.
    pub output: OwnedFd,
}

/// Moves the process's streams to descriptors that no child inherits. Then descriptor 0 leads to
/// /dev/null, and descriptor 1 to where 2 leads.
pub(super) fn move_streams() -> io::Result<Streams> {
    const ABOVE_STDIO: i32 = 3;
    let streams = Streams {
        input: fcntl_dupfd_cloexec(stdin(), ABOVE_STDIO)?,
        output: fcntl_dupfd_cloexec(stdout(), ABOVE_STDIO)?,
    };
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(stderr())?;
    Ok(streams)
}
