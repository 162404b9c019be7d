//! What is still to be written to a subject's stdin, write by write.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, ioctl_fionread};

/// Queued writes.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Pending>,
    close: bool,
}

#[derive(Debug)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
    /// Only once the pipe is empty: the subject's read then returns these bytes and no others.
    paced: bool,
    /// What these bytes end, for the transcript.
    label: Option<String>,
}

/// A write that was made.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) label: Option<String>,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: Vec<u8>, paced: bool, label: Option<String>) {
        if !bytes.is_empty() {
            self.queue.push_back(Pending {
                bytes,
                written: 0,
                paced,
                label,
            });
        }
    }

    pub(super) fn close(&mut self) {
        self.close = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.close
    }

    pub(super) fn wants_close(&self) -> bool {
        self.queue.is_empty() && self.close
    }

    /// Whether the next write may be tried.
    pub(super) fn may_write(&self, stdin: BorrowedFd<'_>) -> bool {
        match self.queue.front() {
            Some(Pending {
                paced: true,
                written: 0,
                ..
            }) => !matches!(ioctl_fionread(stdin), Ok(1..)),
            _ => true,
        }
    }

    /// Makes at most one write, and gives the bytes that it took; `None` if nothing could be written.
    pub(super) fn write_to(&mut self, stdin: BorrowedFd<'_>) -> io::Result<Option<Written>> {
        if !self.may_write(stdin) {
            return Ok(None);
        }
        let Some(next) = self.queue.front_mut() else {
            return Ok(None);
        };
        match rustix::io::write(stdin, &next.bytes[next.written..]) {
            Ok(n) => {
                let bytes = next.bytes[next.written..next.written + n].to_vec();
                next.written += n;
                let done = next.written == next.bytes.len();
                let label = if done {
                    self.queue.pop_front().and_then(|p| p.label)
                } else {
                    None
                };
                Ok(Some(Written { bytes, label }))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
