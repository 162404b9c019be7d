//! Cuts a stream of bytes into documents, each encoding by its own framing.

use bytes::{Buf, Bytes};

use super::Encoding;
use crate::error::{Rule, Violation, quote};
use crate::limits::Limits;
use crate::text::Whole;

/// The most that is allocated for bytes that have not come.
const AHEAD: usize = 1 << 20;
/// Room for one read: what a pipe holds on Linux.
const READ: usize = 64 << 10;
/// From here on a frame keeps the buffer that it was read into. What lasts of a smaller one is copied
/// out of it, which costs less than another buffer, and does not hold all of it for a few bytes.
const LARGE: usize = 32 << 10;

/// Bytes in, frames out. Each byte is looked at once, however the stream is cut.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    encoding: Encoding,
    limits: Limits,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been taken.
    start: usize,
    /// Bytes of the stream that have been taken.
    offset: u64,
    /// What the last frame took of a buffer, if it was large: the next one may be as large.
    last: usize,
    /// JSON: bytes that are pending and hold no line feed.
    scanned: usize,
    /// Protobuf, Cap'n Proto: the header's length and the whole frame's, once known.
    declared: Option<(usize, usize)>,
    finished: bool,
}

/// The bytes of one document. Cap'n Proto's includes its segment table.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) offset: u64,
    bytes: Taken<'a>,
    /// JSON: the line ended with the stream and not with a line feed, so it may be cut.
    pub(super) unterminated: bool,
}

#[derive(Debug)]
enum Taken<'a> {
    /// With the buffer that they were read into.
    Own(Bytes),
    /// Out of the buffer, which is used again.
    Lent(&'a [u8]),
}

impl Frame<'_> {
    pub(super) fn whole(&self) -> Whole<'_> {
        match &self.bytes {
            Taken::Own(bytes) => Whole::Shared(bytes),
            Taken::Lent(bytes) => Whole::Lent(bytes),
        }
    }
}

impl Frames {
    pub(super) fn new(encoding: Encoding, limits: Limits) -> Self {
        Frames {
            encoding,
            limits,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            last: 0,
            scanned: 0,
            declared: None,
            finished: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.compact();
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Where the next bytes are to be appended, with room for some.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.compact();
        let pending = self.buffer.len();
        let room = match self.declared {
            Some((_, total)) if total > pending => (total - pending).min(AHEAD),
            _ if pending == 0 => READ.max(self.last),
            _ => READ / 4,
        };
        self.buffer.reserve(room);
        &mut self.buffer
    }

    /// Moves what is pending to the start of the buffer.
    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Frees what is held; the stream has lost its place.
    pub(super) fn abandon(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
    }

    /// Frees what was kept for a large document, once nothing of it is left.
    #[cfg(feature = "host")]
    pub(super) fn trim(&mut self) {
        if self.start == self.buffer.len() && self.buffer.capacity() > READ {
            self.abandon();
        }
    }

    /// What has come and is in no frame yet, and how much came before it.
    pub(super) fn pending(&self) -> (u64, &[u8]) {
        (self.offset, &self.buffer[self.start..])
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        match self.encoding {
            Encoding::Json => self.line(),
            Encoding::Protobuf | Encoding::Capnp => self.declared_frame(),
        }
    }

    fn line(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        loop {
            let (offset, pending) = self.pending();
            let found = pending[self.scanned..].iter().position(|&b| b == b'\n');
            let length = found.map_or(pending.len(), |at| self.scanned + at);
            self.check_size(length as u64)?;
            if found.is_none() && !self.finished {
                self.scanned = length;
                return Ok(None);
            }
            let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
            let blank = pending[..length].iter().all(blank);
            self.scanned = 0;
            let end = usize::from(found.is_some());
            if !blank {
                let bytes = self.take(0, length, end);
                return Ok(Some(Frame {
                    offset,
                    bytes,
                    unterminated: found.is_none(),
                }));
            }
            self.skip(length + end);
            if found.is_none() {
                return Ok(None);
            }
        }
    }

    fn declared_frame(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        if self.declared.is_none() {
            self.declared = match self.encoding {
                Encoding::Protobuf => self.varint()?,
                _ => self.segment_table()?,
            };
        }
        match self.declared {
            Some((header, total)) if self.pending().1.len() >= total => {
                self.declared = None;
                // Protobuf's length is no part of the document; Cap'n Proto's table is needed to read it.
                let skipped = match self.encoding {
                    Encoding::Protobuf => header,
                    _ => 0,
                };
                let offset = self.offset + skipped as u64;
                let bytes = self.take(skipped, total - skipped, 0);
                Ok(Some(Frame {
                    offset,
                    bytes,
                    unterminated: false,
                }))
            }
            declared if self.finished && !self.pending().1.is_empty() => {
                let have = self.pending().1.len();
                let expected = match declared {
                    Some((_, total)) => format!("{total} bytes, as the header says"),
                    None => "the rest of a header".to_owned(),
                };
                let came = format!("the end of the stream after {have}");
                Err(Violation::new(Rule::Truncated, self.offset, expected, came)
                    .advise("look for why the sender stopped inside a message"))
            }
            // What is still to come of it is given room at once, but no more than a part of it: a
            // length that is declared has not been sent.
            Some((_, total)) => {
                self.compact();
                let missing = total - self.buffer.len();
                self.buffer.reserve(missing.min(AHEAD));
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The length before a Protobuf document.
    fn varint(&self) -> Result<Option<(usize, usize)>, Violation> {
        let mut length = 0u64;
        let (offset, pending) = self.pending();
        for (at, &byte) in pending.iter().take(5).enumerate() {
            length |= u64::from(byte & 0x7F) << (7 * at);
            if byte < 0x80 {
                self.check_size(length)?;
                return Ok(Some((at + 1, at + 1 + length as usize)));
            }
        }
        if pending.len() < 5 {
            return Ok(None);
        }
        let expected = "a length as a varint of at most five bytes";
        Err(Violation::new(
            Rule::ProtobufLength,
            offset,
            expected,
            quote(&pending[..5]),
        ))
    }

    /// The number of segments and their sizes before a Cap'n Proto message.
    fn segment_table(&self) -> Result<Option<(usize, usize)>, Violation> {
        let mut table = self.pending().1;
        let have = table.len();
        if have < 4 {
            return Ok(None);
        }
        let count = u64::from(table.get_u32_le()) + 1;
        if count > self.limits.capnp_segments as u64 {
            let expected = format!("at most {} segments", self.limits.capnp_segments);
            return Err(Violation::new(
                Rule::CapnpSegments,
                self.offset,
                expected,
                count.to_string(),
            ));
        }
        // The count and the sizes, padded to a word.
        let header = (4 + 4 * count as usize).next_multiple_of(8);
        if have < header {
            return Ok(None);
        }
        let words: u64 = (0..count).map(|_| u64::from(table.get_u32_le())).sum();
        self.check_size(8 * words)?;
        Ok(Some((header, header + 8 * words as usize)))
    }

    fn check_size(&self, bytes: u64) -> Result<(), Violation> {
        let limit = self.limits.max_message_bytes;
        if bytes <= limit as u64 {
            return Ok(());
        }
        let expected = format!("at most {limit} bytes in one document or message");
        Err(Violation::new(
            Rule::Limit,
            self.offset,
            expected,
            format!("{bytes} or more"),
        )
        .advise("raise the message limit (FAAS_MAX_MESSAGE_BYTES) or have the sender write pieces"))
    }

    /// Takes bytes that are pending, without those before and after them.
    fn take(&mut self, before: usize, count: usize, after: usize) -> Taken<'_> {
        let start = self.start + before;
        let end = start + count;
        self.skip(before + count + after);
        let rest = &self.buffer[self.start..];
        // More than that is copied by the reader of a stream in which large frames follow closely.
        if count < LARGE || rest.len() > count {
            self.last = 0;
            return Taken::Lent(&self.buffer[start..end]);
        }
        self.last = (self.start + READ / 16).min(AHEAD + READ);
        let rest = rest.to_vec();
        let whole = std::mem::replace(&mut self.buffer, rest);
        self.start = 0;
        Taken::Own(Bytes::from(whole).slice(start..end))
    }

    fn skip(&mut self, count: usize) {
        self.offset += count as u64;
        self.start += count;
    }
}
