//! What is to be written to stdin: bytes, and large data among them that is not copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::encoding::{encode_sharing, framing};
use crate::{Encoding, Message};

#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are written.
    written: usize,
    /// Large data, and before which of `bytes` it belongs.
    shared: VecDeque<(usize, Bytes)>,
    /// Bytes of all of them.
    left: usize,
}

/// What an idle instance may keep for its next messages.
const KEPT: usize = 32 << 10;

impl Outgoing {
    /// Appends a message, unless it has more bytes than `most`: whether it was appended.
    pub(super) fn push(&mut self, message: &Message, encoding: Encoding, most: usize) -> bool {
        let start = self.bytes.len();
        let shared = encode_sharing(message, encoding, &mut self.bytes);
        let own = &self.bytes[start..];
        let length = own.len() + shared.as_ref().map_or(0, |(_, shared)| shared.len());
        if length - framing(own, encoding) > most {
            self.bytes.truncate(start);
            return false;
        }
        self.left += length;
        self.shared.extend(shared);
        true
    }

    /// All bytes.
    pub(super) fn len(&self) -> usize {
        self.left
    }

    /// The next bytes, as far as they lie in one place.
    pub(super) fn first(&self) -> &[u8] {
        match self.shared.front() {
            Some((at, shared)) if *at == self.written => shared,
            Some((at, _)) => &self.bytes[self.written..*at],
            None => &self.bytes[self.written..],
        }
    }

    /// The next bytes, as far as there are slices for them: how many of those have some.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut from, mut used) = (self.written, 0);
        let mut put = |bytes: &'a [u8]| {
            let Some(place) = slices.get_mut(used) else {
                return false;
            };
            if !bytes.is_empty() {
                *place = IoSlice::new(bytes);
                used += 1;
            }
            true
        };
        for (at, shared) in &self.shared {
            if !put(&self.bytes[from..*at]) || !put(shared) {
                return used;
            }
            from = *at;
        }
        put(&self.bytes[from..]);
        used
    }

    /// Frees what was kept for many messages or large ones, once all is written. Between calls that
    /// follow each other it would only be allocated again.
    pub(super) fn trim(&mut self) {
        if self.left == 0 {
            self.bytes.shrink_to(KEPT);
        }
    }

    /// So many bytes have been written.
    pub(super) fn wrote(&mut self, count: usize) {
        let mut count = count.min(self.left);
        self.left -= count;
        if self.left == 0 {
            self.shared.clear();
            self.bytes.clear();
            self.written = 0;
            return;
        }
        while count > 0 {
            let some = count.min(self.first().len());
            count -= some;
            match self.shared.front_mut() {
                Some((at, shared)) if *at == self.written => {
                    let _ = shared.split_to(some);
                    if shared.is_empty() {
                        self.shared.pop_front();
                    }
                }
                _ => self.written += some,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Event, encode_message};

    proptest! {
        #[test]
        fn slices_are_what_messages_are_however_they_are_written(
            sizes in prop::collection::vec(prop_oneof![0usize..200, 16_000..40_000usize], 1..6),
            steps in prop::collection::vec((1usize..5, 1usize..30_000), 1..40),
            encoding in prop::sample::select(Encoding::ALL),
        ) {
            let (mut outgoing, mut expected) = (Outgoing::default(), Vec::new());
            for (call, size) in (1..).zip(sizes) {
                let event = Event::builder("1", "/s", "t").data(vec![call as u8; size]).build();
                let message = Message { call, event: event.ok(), end: Some(crate::Status::ok()), ..Message::default() };
                prop_assert!(outgoing.push(&message, encoding, 1 << 20));
                prop_assert!(!outgoing.push(&message, encoding, size));
                encode_message(&message, encoding, &mut expected);
            }
            let mut written = Vec::new();
            for (room, most) in steps.into_iter().cycle() {
                prop_assert_eq!(outgoing.len(), expected.len() - written.len());
                if outgoing.len() == 0 {
                    break;
                }
                let mut slices = vec![IoSlice::new(&[]); room];
                let used = outgoing.slices(&mut slices);
                prop_assert_eq!(slices.first().map(|first| &first[..]), Some(outgoing.first()));
                let all = slices[..used].iter().map(|slice| slice.to_vec()).collect::<Vec<_>>().concat();
                let count = most.min(all.len());
                prop_assert!(count > 0);
                written.extend_from_slice(&all[..count]);
                outgoing.wrote(count);
            }
            prop_assert!(written == expected, "other bytes than those of the messages");
        }
    }
}
