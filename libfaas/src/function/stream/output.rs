//! The output of the stream: a message at a time, each in one `write` where the pipe takes it.
//!
//! Ends of calls may wait for each other: while the reader has more calls that it has read already,
//! they are kept, and go in one `write` with those of the next ones.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::io::{write_all, write_all_vectored};
use crate::encoding::Encoded;
use crate::{Encoding, Message};

pub(super) struct Output {
    fd: OwnedFd,
    /// What is kept.
    kept: Mutex<Vec<u8>>,
    /// Whether something is.
    keeps: AtomicBool,
    /// Whether the reader will come back and see to what is kept.
    more: AtomicBool,
}

/// The right to write.
pub(super) struct Locked<'a> {
    output: &'a Output,
    kept: MutexGuard<'a, Vec<u8>>,
}

/// Kept at most: what a pipe holds on Linux.
const MOST: usize = 64 << 10;

impl Output {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Output {
            fd,
            kept: Mutex::default(),
            keeps: AtomicBool::new(false),
            more: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked {
            output: self,
            kept: self.kept.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Whether the reader has read more than the call that it starts: then somebody will come back
    /// and ask whether something [is kept](Self::wants_flush).
    pub(super) fn expect_more(&self, more: bool) {
        self.more.store(more, Ordering::SeqCst);
    }

    /// The reader is going to wait. Whether it has to [`flush`](Self::flush) before: either it sees
    /// what is kept, or whoever keeps something sees that it is gone.
    pub(super) fn wants_flush(&self) -> bool {
        self.more.store(false, Ordering::SeqCst);
        self.keeps.load(Ordering::SeqCst)
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.lock().flush()
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Locked<'_> {
    pub(super) fn write(&mut self, message: &Message, encoding: Encoding) -> io::Result<()> {
        self.write_encoded(&Encoded::new(message, encoding), message.end.is_some())
    }

    /// Writes a message; one that `ends` its call may wait for others.
    pub(super) fn write_encoded(&mut self, message: &Encoded, ends: bool) -> io::Result<()> {
        let length = message.len();
        if ends && self.kept.len() + length <= MOST && self.output.more.load(Ordering::SeqCst) {
            let slices = message.slices();
            slices
                .iter()
                .for_each(|slice| self.kept.extend_from_slice(slice));
            self.output.keeps.store(true, Ordering::SeqCst);
            return match self.output.more.load(Ordering::SeqCst) {
                true => Ok(()),
                false => self.flush(),
            };
        }
        let [head, shared, tail] = message.slices();
        let mut slices = [&self.kept, head, shared, tail].map(IoSlice::new);
        let written = match (self.kept.is_empty(), shared.is_empty()) {
            (true, true) => write_all(&self.output.fd, head),
            _ => write_all_vectored(&self.output.fd, &mut slices),
        };
        self.nothing_kept();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = write_all(&self.output.fd, &self.kept);
        self.nothing_kept();
        written
    }

    fn nothing_kept(&mut self) {
        self.kept.clear();
        self.output.keeps.store(false, Ordering::SeqCst);
    }
}
