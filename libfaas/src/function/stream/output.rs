//! The output of the stream: a message at a time, each in one `write` where the pipe takes it.
//!
//! Ends of calls may wait for each other: while the reader has more calls that it has read already,
//! they are kept, and go in one `write` with those of the next ones.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::io::{write_all, write_all_vectored};
use crate::encoding::{Encoded, encode_sharing, framing};
use crate::{Encoding, Message};

pub(super) struct Output {
    fd: OwnedFd,
    /// What is kept, and behind it what is being encoded.
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

/// A message that was encoded behind what is kept, and goes nowhere before it is
/// [sent](Locked::send).
pub(super) struct Draft {
    start: usize,
    /// Large data, and before which byte it belongs.
    shared: Option<(usize, Bytes)>,
    /// How many bytes count towards the message limit.
    pub(super) counted: usize,
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
        self.set_more(more);
    }

    /// The reader is going to wait. Whether it has to [`flush`](Self::flush) before: either it sees
    /// what is kept, or whoever keeps something sees that it is gone.
    pub(super) fn wants_flush(&self) -> bool {
        self.set_more(false);
        self.keeps.load(Ordering::SeqCst)
    }

    /// Only who reads does this, so what it is now stays; and to set it costs more than to look.
    fn set_more(&self, more: bool) {
        if self.more.load(Ordering::SeqCst) != more {
            self.more.store(more, Ordering::SeqCst);
        }
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
        let draft = self.draft(message, encoding);
        self.send(draft, message.end.is_some())
    }

    /// Encodes a message where it will be written from, which wants no memory of its own. Others
    /// wait meanwhile, so it should not be a large one.
    pub(super) fn draft(&mut self, message: &Message, encoding: Encoding) -> Draft {
        let start = self.kept.len();
        let shared = encode_sharing(message, encoding, &mut self.kept);
        let bytes = &self.kept[start..];
        let length = bytes.len() + shared.as_ref().map_or(0, |(_, shared)| shared.len());
        Draft {
            start,
            counted: length - framing(bytes, encoding),
            shared,
        }
    }

    /// Takes a message back that is not to be written.
    pub(super) fn discard(&mut self, draft: Draft) {
        self.kept.truncate(draft.start);
    }

    /// Writes a message; one that `ends` its call may wait for others.
    pub(super) fn send(&mut self, draft: Draft, ends: bool) -> io::Result<()> {
        match draft.shared {
            None if ends && self.kept.len() <= MOST && self.expects_more() => self.keep(),
            None => self.flush(),
            Some((at, shared)) => self.write_all(at, &[&shared]),
        }
    }

    /// The same of one that was encoded elsewhere.
    pub(super) fn write_encoded(&mut self, message: &Encoded, ends: bool) -> io::Result<()> {
        let slices = message.slices();
        if ends && self.kept.len() + message.len() <= MOST && self.expects_more() {
            slices
                .iter()
                .for_each(|slice| self.kept.extend_from_slice(slice));
            return self.keep();
        }
        self.write_all(self.kept.len(), &slices)
    }

    fn expects_more(&self) -> bool {
        self.output.more.load(Ordering::SeqCst)
    }

    /// Leaves what is there to the reader, unless that is about to wait.
    fn keep(&mut self) -> io::Result<()> {
        self.output.keeps.store(true, Ordering::SeqCst);
        match self.expects_more() {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is kept, with more in the middle of it.
    fn write_all(&mut self, at: usize, middle: &[&[u8]]) -> io::Result<()> {
        let (before, behind) = self.kept.split_at(at);
        let mut slices = [IoSlice::new(&[]); 5];
        slices[0] = IoSlice::new(before);
        for (place, slice) in slices[1..].iter_mut().zip(middle.iter().chain([&behind])) {
            *place = IoSlice::new(slice);
        }
        let written = write_all_vectored(&self.output.fd, &mut slices);
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
        // A large message was an exception.
        self.kept.shrink_to(2 * MOST);
        if self.output.keeps.load(Ordering::SeqCst) {
            self.output.keeps.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};
    use std::sync::Barrier;
    use std::thread;

    use rustix::io::{Errno, ioctl_fionbio};

    use super::*;
    use crate::{Event, Limits, MessageDecoder, Status};

    fn output() -> (Output, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        ioctl_fionbio(&reader, true).unwrap();
        (Output::new(writer.into()), reader)
    }

    /// What stands in the pipe.
    fn written(reader: &mut PipeReader) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        match reader.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) => {
                bytes.clear()
            }
            Err(error) => panic!("{error}"),
        }
        bytes
    }

    fn message(call: u64, data: Option<usize>, ends: bool) -> Message {
        let event = data.map(|size| {
            let event = Event::builder("1", "/s", "t").data(vec![b'x'; size]);
            event.build().unwrap()
        });
        Message {
            call,
            event,
            end: ends.then(Status::ok),
            ..Message::default()
        }
    }

    fn bytes<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages {
            crate::encode_message(message, Encoding::Protobuf, &mut bytes);
        }
        bytes
    }

    fn write(output: &Output, message: &Message) {
        output.lock().write(message, Encoding::Protobuf).unwrap();
    }

    #[test]
    fn ends_wait_for_each_other_while_more_was_read() {
        let (output, mut reader) = output();
        let ends = [1, 2, 3].map(|call| message(call, Some(10), true));
        output.expect_more(true);
        for end in &ends[..2] {
            write(&output, end);
            assert_eq!(written(&mut reader), b"");
        }
        output.expect_more(false);
        write(&output, &ends[2]);
        assert_eq!(written(&mut reader), bytes(&ends));
        assert!(!output.wants_flush());
    }

    #[test]
    fn who_is_going_to_wait_writes_what_is_kept() {
        let (output, mut reader) = output();
        assert!(!output.wants_flush());
        output.expect_more(true);
        let end = message(1, None, true);
        write(&output, &end);
        assert!(output.wants_flush());
        output.flush().unwrap();
        assert_eq!(written(&mut reader), bytes([&end]));
        assert!(!output.wants_flush());
        // Nobody comes back, so nothing is kept any more.
        write(&output, &end);
        assert_eq!(written(&mut reader), bytes([&end]));
    }

    /// In the order in which they were written, however large the data, and wherever it is encoded.
    #[test]
    fn what_does_not_end_its_call_waits_for_nothing() {
        for size in [0, 10, 20 << 10, 40 << 10] {
            let messages = [
                message(1, Some(10), true),
                message(2, Some(size), false),
                message(2, None, true),
            ];
            for elsewhere in [false, true] {
                let (output, mut reader) = output();
                output.expect_more(true);
                write(&output, &messages[0]);
                match elsewhere {
                    false => write(&output, &messages[1]),
                    true => {
                        let encoded = Encoded::new(&messages[1], Encoding::Protobuf);
                        output.lock().write_encoded(&encoded, false).unwrap();
                    }
                }
                assert_eq!(written(&mut reader), bytes(&messages[..2]), "{size}");
                write(&output, &messages[2]);
                assert_eq!(written(&mut reader), b"");
                output.flush().unwrap();
                assert_eq!(written(&mut reader), bytes(&messages[2..]));
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_a_pipe_holds() {
        let (output, mut reader) = output();
        output.expect_more(true);
        let ends: Vec<_> = (1..200)
            .map(|call| message(call, Some(1000), true))
            .collect();
        let expected = bytes(&ends);
        let most = thread::scope(|scope| {
            let reads = scope.spawn(|| {
                let mut came = Vec::new();
                while came.len() < expected.len() {
                    came.extend(written(&mut reader));
                    thread::yield_now();
                }
                assert_eq!(came, expected);
            });
            let mut most = 0;
            for end in &ends {
                write(&output, end);
                most = most.max(output.lock().kept.len());
            }
            output.flush().unwrap();
            reads.join().unwrap();
            most
        });
        assert!(most > MOST / 2 && most <= MOST, "{most}");
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let (output, mut reader) = output();
        output.expect_more(true);
        let end = message(1, None, true);
        write(&output, &end);
        for size in [10, 40 << 10] {
            let refused = message(2, Some(size), true);
            let mut output = output.lock();
            let draft = output.draft(&refused, Encoding::Protobuf);
            assert!(draft.counted > size);
            output.discard(draft);
        }
        output.flush().unwrap();
        assert_eq!(written(&mut reader), bytes([&end]));
    }

    #[test]
    fn the_memory_of_a_large_message_is_given_back() {
        let (output, mut reader) = output();
        let name = "x".repeat(30 << 10);
        let mut event = Event::builder(&name, "/s", "t").build().unwrap();
        for at in 0..8 {
            let more = event.to_builder().attribute(format!("a{at}"), &*name);
            event = more.build().unwrap();
        }
        let large = Message {
            call: 1,
            event: Some(event),
            ..Message::default()
        };
        let expected = bytes([&large]);
        let writes = thread::spawn(move || {
            write(&output, &large);
            output
        });
        let mut came = Vec::new();
        while came.len() < expected.len() {
            came.extend(written(&mut reader));
            thread::yield_now();
        }
        assert_eq!(came, expected);
        let output = writes.join().unwrap();
        assert!(output.lock().kept.capacity() <= 2 * MOST);
    }

    /// Either the reader sees what is kept, or whoever keeps something sees that the reader is gone.
    #[test]
    fn nothing_stays_behind() {
        let (output, mut reader) = output();
        let mut decoder = MessageDecoder::new(Encoding::Protobuf, Limits::default());
        let hello = Message {
            hello: Some(crate::Hello::default()),
            ..Message::default()
        };
        write(&output, &hello);
        decoder.push(&written(&mut reader));
        decoder.next().unwrap().unwrap();
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                for call in 1..=3000 {
                    barrier.wait();
                    write(&output, &message(call, None, true));
                    barrier.wait();
                }
            });
            for call in 1..=3000 {
                output.expect_more(true);
                barrier.wait();
                if output.wants_flush() {
                    output.flush().unwrap();
                }
                barrier.wait();
                decoder.push(&written(&mut reader));
                let came = decoder.next().unwrap().map(|came| came.message.call);
                assert_eq!(came, Some(call));
            }
        });
    }
}
