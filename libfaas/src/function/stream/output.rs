//! The output of the stream: a message at a time, each in one `write` where the pipe takes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::io::write_all;
use crate::{Encoding, Message, encode_message};

pub(super) struct Output {
    fd: OwnedFd,
    turn: Mutex<()>,
}

/// The right to write.
pub(super) struct Locked<'a> {
    fd: &'a OwnedFd,
    _turn: MutexGuard<'a, ()>,
}

impl Output {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Output {
            fd,
            turn: Mutex::new(()),
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked {
            fd: &self.fd,
            _turn: self.turn.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Locked<'_> {
    pub(super) fn write(&mut self, message: &Message, encoding: Encoding) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_message(message, encoding, &mut bytes);
        self.write_bytes(&bytes)
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all(self.fd, bytes)
    }
}
