//! One direction of the stream: bytes, in order, and their end.

use std::collections::VecDeque;

use super::Amount;

/// The bytes that are written and not read.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    /// Bytes of a message of which the first were read.
    rest: usize,
    /// Bytes that were written last, together.
    last: usize,
    /// Nobody writes any more.
    pub(super) closed: bool,
}

impl Pipe {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.last = bytes.len();
        self.bytes.extend(bytes);
    }

    /// Takes back the second half of what was written last, as far as it is unread: its writer was killed at it.
    pub(super) fn cut(&mut self) -> bool {
        let unread = self.last.min(self.bytes.len());
        let back = unread.min(self.last.div_ceil(2));
        self.bytes.truncate(self.bytes.len() - back);
        back > 0 && back < self.last
    }

    /// Whether the next bytes begin a message.
    pub(super) fn is_at_message(&self) -> bool {
        self.rest == 0
    }

    /// Whether there is more than one message.
    pub(super) fn has_more(&self) -> bool {
        self.bytes.len() > self.next()
    }

    pub(super) fn read(&mut self, amount: Amount) -> Vec<u8> {
        let next = self.next();
        let count = match amount {
            Amount::Bytes(count) => count,
            Amount::Half => next / 2,
            Amount::One => next,
            Amount::All => usize::MAX,
        };
        let count = count.min(self.bytes.len());
        self.rest = match amount {
            Amount::Half | Amount::One => next - count,
            // Cuts are anywhere then, and messages no longer counted.
            Amount::Bytes(_) | Amount::All => 0,
        };
        self.bytes.drain(..count).collect()
    }

    /// Bytes of the next message, or of what is left of it: Protobuf's framing.
    fn next(&self) -> usize {
        if self.rest > 0 {
            return self.rest.min(self.bytes.len());
        }
        let (mut length, mut shift) = (0, 0);
        for (at, byte) in self.bytes.iter().take(5).enumerate() {
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return (at + 1 + length).min(self.bytes.len());
            }
        }
        self.bytes.len()
    }
}
