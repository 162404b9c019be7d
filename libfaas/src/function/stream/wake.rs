//! Wakes threads that wait for a descriptor: for SIGTERM, and for what other threads did.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use signal_hook::consts::SIGTERM;

/// A pipe to be polled, and whether SIGTERM has come.
pub(crate) struct Wake {
    readable: OwnedFd,
    writable: OwnedFd,
    terminated: Arc<AtomicBool>,
}

impl Wake {
    /// Two that no signal reaches.
    pub(crate) fn pair() -> io::Result<[Self; 2]> {
        let terminated = Arc::default();
        Ok([Wake::new(&terminated)?, Wake::new(&terminated)?])
    }

    /// Two that SIGTERM reaches, instead of ending the process.
    pub(crate) fn pair_on_sigterm() -> io::Result<[Self; 2]> {
        let wakes = Wake::pair()?;
        // In this order: who is woken finds the flag set.
        signal_hook::flag::register(SIGTERM, Arc::clone(&wakes[0].terminated))?;
        for wake in &wakes {
            signal_hook::low_level::pipe::register(SIGTERM, wake.writable.try_clone()?)?;
        }
        Ok(wakes)
    }

    fn new(terminated: &Arc<AtomicBool>) -> io::Result<Self> {
        let (readable, writable) = io::pipe()?;
        ioctl_fionbio(&readable, true)?;
        ioctl_fionbio(&writable, true)?;
        Ok(Wake {
            readable: readable.into(),
            writable: writable.into(),
            terminated: Arc::clone(terminated),
        })
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

    /// Waits to be woken, or until the time is up.
    pub(super) fn wait(&self, most: Option<Duration>) {
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        let mut fds = [PollFd::new(&self.readable, PollFlags::IN)];
        while poll(&mut fds, most.as_ref()) == Err(Errno::INTR) {}
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
