//! Ctrl-C and SIGTERM: every wait of the suite ends, every subject is cleaned up, then the suite exits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static PIPE: OnceLock<OwnedFd> = OnceLock::new();

/// From now on the signals only make [`raised`] true.
pub fn install() -> io::Result<()> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    // Never read, so that it stays readable for every thread that polls it.
    let _ = PIPE.set(read);
    Ok(())
}

/// What to poll beside a subject's descriptors; readable once a signal came.
pub fn fd() -> Option<BorrowedFd<'static>> {
    PIPE.get().map(AsFd::as_fd)
}

/// Whether a signal came.
pub fn raised() -> bool {
    fd().is_some_and(|fd| {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)),
            Ok(1)
        )
    })
}
