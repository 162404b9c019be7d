//! Wakes the thread that waits for input: for SIGTERM, and for handlers that made room.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::SIGTERM;

/// A pipe to be polled, and whether SIGTERM has come.
pub(crate) struct Wake {
    readable: OwnedFd,
    writable: OwnedFd,
    terminated: Arc<AtomicBool>,
}

impl Wake {
    /// One that no signal reaches.
    pub(crate) fn new() -> io::Result<Self> {
        let (readable, writable) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Wake {
            readable,
            writable,
            terminated: Arc::default(),
        })
    }

    /// One that SIGTERM reaches, instead of ending the process.
    pub(crate) fn on_sigterm() -> io::Result<Self> {
        let wake = Wake::new()?;
        // In this order: who is woken finds the flag set.
        signal_hook::flag::register(SIGTERM, Arc::clone(&wake.terminated))?;
        signal_hook::low_level::pipe::register(SIGTERM, wake.writable.try_clone()?)?;
        Ok(wake)
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

    pub(super) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
