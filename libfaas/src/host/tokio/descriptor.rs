//! Descriptors that tokio watches, without a copy of what is read and written.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Context, Poll, ready};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host::{Exit, Process};

/// The host's end of a pipe or a socket. Its open file is the host's alone, so that `O_NONBLOCK` on
/// it does not reach the function.
pub(super) struct Descriptor(AsyncFd<OwnedFd>);

impl Descriptor {
    pub(super) fn new(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        watch(fd, interest).map(Descriptor)
    }

    /// Reads what there is, None where there is nothing yet. Ok(0) at the end.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        attempt(|| rustix::io::read(self.0.get_ref(), &mut *buffer))
    }

    /// Writes what there is room for, None where there is none.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        attempt(|| rustix::io::write(self.0.get_ref(), bytes))
    }

    /// Waits until there is something to read, and reads it.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match attempt(|| rustix::io::read(self.0.get_ref(), &mut *buffer))? {
                None => ready.clear_ready(),
                Some(count) => {
                    // Less than was asked for is all that there was: what comes later is announced.
                    if count > 0 && count < buffer.len() {
                        ready.clear_ready();
                    }
                    return Ok(count);
                }
            }
        }
    }

    /// Waits until there is room, and writes what there is room for.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?))
            .await
    }
}

/// What has a descriptor that stays open, and the same, as long as it lives.
trait Owned: AsRawFd {}

impl Owned for OwnedFd {}

impl Owned for Raw {}

fn watch<T: Owned>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: `fd` owns its descriptor and always names that one, which is what `Owned` says of its
    // two types; nothing in this module takes it out or puts another one in its place.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

fn attempt(mut io: impl FnMut() -> Result<usize, Errno>) -> io::Result<Option<usize>> {
    loop {
        match io() {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A process whose end tokio watches.
pub(super) struct Watched {
    process: AsyncFd<Raw>,
    exit: Option<Exit>,
}

/// tokio wants a number where there is a descriptor.
struct Raw(Process);

impl AsRawFd for Raw {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Watched {
    pub(super) fn new(process: Process) -> io::Result<Self> {
        let process = watch(Raw(process), Interest::READABLE)?;
        Ok(Watched {
            process,
            exit: None,
        })
    }

    /// How the process ended, if it has.
    pub(super) fn exit(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = match self.process.get_mut().0.try_wait() {
                Ok(status) => status.map(Exit::from),
                // Somebody else has reaped it: it is gone, and nobody knows how.
                Err(_) => Some(Exit::Code(-1)),
            };
        }
        self.exit
    }

    /// Ready once the process has ended and nobody was told so yet.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.exit.is_none() {
            match ready!(self.process.poll_read_ready(cx)) {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is shutting down, and this task with it.
                Err(_) => return Poll::Pending,
            }
            if self.exit().is_some() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        self.process.get_ref().0.signal(signal);
    }
}

/// Waits until one of the processes has ended that had not been seen to end; for ever if all have.
pub(super) async fn next_end(processes: &mut [Watched]) {
    poll_fn(|cx| {
        // All are asked, so that all wake this task.
        let ended = processes
            .iter_mut()
            .map(|process| process.poll_end(cx).is_ready());
        if ended.fold(false, |any, one| any | one) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Reads from a descriptor that may be closed already, which never gives anything.
pub(super) async fn read(from: &Option<Descriptor>, buffer: &mut [u8]) -> io::Result<usize> {
    match from {
        Some(from) => from.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Writes to a descriptor that may be closed already, which never takes anything.
pub(super) async fn write(to: &Option<Descriptor>, bytes: &[u8]) -> io::Result<usize> {
    match to {
        Some(to) => to.write(bytes).await,
        None => std::future::pending().await,
    }
}
