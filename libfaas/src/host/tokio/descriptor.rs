//! Descriptors that tokio watches, without a copy of what is read and written.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host::{Exit, Process};

/// Bytes given to one write of large data. Linux locks a pipe until a write is done: of one that is
/// cut the reader takes the beginning, on another core, while the rest is written.
const WRITE: usize = 256 << 10;

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

    /// Appends what there is to a buffer that has room, None where there is nothing yet. Ok(0) at the
    /// end.
    pub(super) fn try_append(&self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        attempt(|| rustix::io::read(self.0.get_ref(), spare_capacity(buffer)))
    }

    /// Bytes that can be read now.
    pub(super) fn held(&self) -> u64 {
        rustix::io::ioctl_fionread(self.0.get_ref()).unwrap_or(0)
    }

    /// Gives the pipe as much room as may be.
    pub(super) fn widen(&self) {
        // Where the system refuses, it is as it was.
        #[cfg(target_os = "linux")]
        let _ = rustix::pipe::fcntl_setpipe_size(self.0.get_ref(), 1 << 20);
    }

    /// Waits until there is something to read, and reads it.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            let asked = buffer.len();
            self.poll_read(cx, |fd| (rustix::io::read(fd, &mut *buffer), asked))
        })
        .await
    }

    /// Reads to the end of a buffer once there is something to read. The buffer is asked for only
    /// then.
    pub(super) fn poll_append<'a>(
        &self,
        cx: &mut Context<'_>,
        buffer: impl FnOnce() -> &'a mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = Some(buffer);
        let mut room = None;
        self.poll_read(cx, |fd| {
            let room = room.get_or_insert_with(|| buffer.take().expect("asked for once")());
            let asked = room.capacity() - room.len();
            (rustix::io::read(fd, spare_capacity(room)), asked)
        })
    }

    /// Ready with what was read, which may be less than was `asked` for.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&OwnedFd) -> (Result<usize, Errno>, usize),
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match read(self.0.get_ref()) {
                (Ok(count), asked) => {
                    // Less than was asked for is all that there was: what comes later is announced.
                    if count > 0 && count < asked {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                (Err(Errno::INTR), _) => {}
                (Err(Errno::AGAIN), _) => ready.clear_ready(),
                (Err(error), _) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes what there is room for, once there is some. No slices are not written.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let asked = total.min(WRITE);
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            let fd = self.0.get_ref();
            let written = match slices {
                [first, ..] if first.len() >= WRITE => rustix::io::write(fd, &first[..WRITE]),
                [one] => rustix::io::write(fd, one),
                [first, second, ..] if first.len() + second.len() > WRITE => {
                    let second = &second[..WRITE - first.len()];
                    rustix::io::writev(fd, &[*first, IoSlice::new(second)])
                }
                _ => rustix::io::writev(fd, slices),
            };
            match written {
                Ok(count) => {
                    // It is full: that there is room again is announced.
                    if count < asked {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
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

/// What is still to be read of a pipe whose writer has ended. Whoever else writes to it may never
/// stop.
pub(super) struct Rest(Option<u64>);

impl Rest {
    pub(super) fn of(pipe: &Option<Descriptor>) -> Rest {
        Rest(Some(pipe.as_ref().map_or(0, Descriptor::held)))
    }

    /// Whether to read again: once more than it takes, to see the end.
    pub(super) fn is_left(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn was_read(&mut self, count: usize) {
        self.0 = self
            .0
            .filter(|&left| left > 0)
            .map(|left| left.saturating_sub(count as u64));
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
    poll_fn(|cx| poll_next_end(processes, cx)).await;
}

/// Ready once one of the processes has ended that had not been seen to end.
pub(super) fn poll_next_end(processes: &mut [Watched], cx: &mut Context<'_>) -> Poll<()> {
    // All are asked, so that all wake this task.
    let ended = processes
        .iter_mut()
        .map(|process| process.poll_end(cx).is_ready());
    match ended.fold(false, |any, one| any | one) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rest_of_a_pipe_has_an_end_although_somebody_goes_on_writing() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let pipe = Some(Descriptor::new(reader, Interest::READABLE).unwrap());
        let write = |count| rustix::io::write(&writer, &[b'x'; 4096][..count]).unwrap();
        write(4000);
        let mut rest = Rest::of(&pipe);
        let (mut reads, mut buffer) = (0, [0; 1000]);
        while rest.is_left() {
            let count = pipe.as_ref().unwrap().try_read(&mut buffer).unwrap();
            rest.was_read(write(count.unwrap()));
            reads += 1;
        }
        // And one that would have seen the end.
        assert_eq!(reads, 5);
        assert!(Rest::of(&None).is_left());
    }
}
