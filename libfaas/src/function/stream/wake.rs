//! Wakes the thread that waits for the end: for SIGTERM, and for what other threads did.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use signal_hook::consts::SIGTERM;

/// How poll tells that a pipe has lost its other end.
pub(super) const CLOSED: PollFlags = PollFlags::ERR.union(PollFlags::HUP).union(PollFlags::NVAL);

/// A pipe to be polled, and whether SIGTERM has come.
pub(crate) struct Wake {
    readable: OwnedFd,
    writable: OwnedFd,
    terminated: Arc<AtomicBool>,
}

impl Wake {
    /// For `main`, and for who reads: where the process goes on after the function has ended, reading
    /// has to end too.
    pub(crate) fn within_a_process() -> io::Result<(Self, Option<Self>)> {
        Ok((Wake::new()?, Some(Wake::new()?)))
    }

    fn new() -> io::Result<Self> {
        let (readable, writable) = io::pipe()?;
        ioctl_fionbio(&readable, true)?;
        ioctl_fionbio(&writable, true)?;
        Ok(Wake {
            readable: readable.into(),
            writable: writable.into(),
            terminated: Arc::default(),
        })
    }

    /// For `main` alone, reached by SIGTERM instead of that ending the process. A read ends with it.
    pub(crate) fn of_a_process() -> io::Result<(Self, Option<Self>)> {
        let wake = Wake::new()?;
        // In this order: who is woken finds the flag set.
        signal_hook::flag::register(SIGTERM, Arc::clone(&wake.terminated))?;
        signal_hook::low_level::pipe::register(SIGTERM, wake.writable.try_clone()?)?;
        Ok((wake, None))
    }

    pub(super) fn wake(&self) {
        // A full pipe wakes as well.
        let _ = rustix::io::write(&self.writable, &[0]);
    }

    pub(super) fn clear(&self) {
        let mut buffer = [0; 64];
        while matches!(rustix::io::read(&self.readable, &mut buffer), Ok(count) if count == buffer.len())
        {
        }
    }

    /// Waits to be woken, or for nobody to read an output any more: whether that happened.
    pub(super) fn wait_or_closed(&self, output: BorrowedFd<'_>) -> bool {
        // A closed output is reported whatever one waits for.
        let mut fds = [
            PollFd::new(&self.readable, PollFlags::IN),
            PollFd::from_borrowed_fd(output, PollFlags::empty()),
        ];
        while poll(&mut fds, None) == Err(Errno::INTR) {}
        fds[1].revents().intersects(CLOSED)
    }

    /// Waits to be woken, or for something to read: whether it was woken.
    pub(super) fn wait_or_readable(&self, input: BorrowedFd<'_>) -> bool {
        let mut fds = [
            PollFd::new(&self.readable, PollFlags::IN),
            PollFd::from_borrowed_fd(input, PollFlags::IN),
        ];
        while poll(&mut fds, None) == Err(Errno::INTR) {}
        !fds[0].revents().is_empty()
    }

    /// Waits to be woken, or until the time is up.
    pub(super) fn wait(&self, most: Duration) {
        let most = Timespec::try_from(most).ok();
        let mut fds = [PollFd::new(&self.readable, PollFlags::IN)];
        while poll(&mut fds, most.as_ref()) == Err(Errno::INTR) {}
    }

    #[cfg(test)]
    pub(super) fn is_woken(&self) -> bool {
        let mut fds = [PollFd::new(&self.readable, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())) == Ok(1)
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
