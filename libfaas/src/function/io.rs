//! Reading and writing whole pieces on descriptors, also on ones that were left non-blocking.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Reads what there is, and waits for something.
pub(crate) fn read(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(fd, &mut *buffer) {
            Ok(count) => return Ok(count),
            Err(error) => recover(error, fd, PollFlags::IN)?,
        }
    }
}

/// The same, to behind what the buffer holds: at most what it has room for.
pub(crate) fn append(fd: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match rustix::io::read(fd, spare_capacity(buffer)) {
            Ok(count) => return Ok(count),
            Err(error) => recover(error, fd, PollFlags::IN)?,
        }
    }
}

/// Writes all bytes, in one system call where the descriptor takes them.
pub(crate) fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) => recover(error, fd, PollFlags::OUT)?,
        }
    }
    Ok(())
}

/// The same of bytes that lie in several places; large ones in pieces.
pub(crate) fn write_all_vectored(fd: &OwnedFd, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Without this the empty ones at the end would be written for ever.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match crate::pipe::write(fd, slices) {
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(error) => recover(error, fd, PollFlags::OUT)?,
        }
    }
    Ok(())
}

fn recover(error: Errno, fd: &impl AsFd, flags: PollFlags) -> io::Result<()> {
    match error {
        Errno::INTR => Ok(()),
        Errno::AGAIN => match poll(&mut [PollFd::new(fd, flags)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        },
        error => Err(error.into()),
    }
}
