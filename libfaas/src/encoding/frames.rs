//! Cuts a stream of bytes into documents, each encoding by its own framing.

use bytes::{Buf, Bytes, BytesMut};

use super::Encoding;
use crate::error::{Rule, Violation, quote};
use crate::limits::Limits;

/// The most that is allocated for bytes that have not come.
const AHEAD: usize = 1 << 20;

/// Bytes in, frames out. Each byte is looked at once, however the stream is cut.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    encoding: Encoding,
    limits: Limits,
    buffer: BytesMut,
    /// Bytes of the stream before the buffer.
    offset: u64,
    /// JSON: bytes of the buffer that hold no line feed.
    scanned: usize,
    /// Protobuf, Cap'n Proto: the header's length and the whole frame's, once known.
    declared: Option<(usize, usize)>,
    finished: bool,
}

/// The bytes of one document. Cap'n Proto's includes its segment table.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
    /// JSON: the line ended with the stream and not with a line feed, so it may be cut.
    pub(super) unterminated: bool,
}

impl Frames {
    pub(super) fn new(encoding: Encoding, limits: Limits) -> Self {
        Frames {
            encoding,
            limits,
            buffer: BytesMut::new(),
            offset: 0,
            scanned: 0,
            declared: None,
            finished: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Frees what is held; the stream has lost its place.
    pub(super) fn abandon(&mut self) {
        self.buffer = BytesMut::new();
    }

    /// Frees what was kept for a large document, once nothing of it is left.
    #[cfg(feature = "host")]
    pub(super) fn trim(&mut self) {
        const KEPT: usize = 64 << 10;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = BytesMut::new();
        }
    }

    /// What has come and is in no frame yet, and how much came before it.
    pub(super) fn pending(&self) -> (u64, &[u8]) {
        (self.offset, &self.buffer)
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, Violation> {
        match self.encoding {
            Encoding::Json => self.line(),
            Encoding::Protobuf | Encoding::Capnp => self.declared_frame(),
        }
    }

    fn line(&mut self) -> Result<Option<Frame>, Violation> {
        loop {
            let found = self.buffer[self.scanned..].iter().position(|&b| b == b'\n');
            let length = found.map_or(self.buffer.len(), |at| self.scanned + at);
            self.check_size(length as u64)?;
            if found.is_none() && !self.finished {
                self.scanned = length;
                return Ok(None);
            }
            let offset = self.offset;
            let bytes = self.take(length).freeze();
            if found.is_some() {
                self.take(1);
            }
            self.scanned = 0;
            if !bytes.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
                return Ok(Some(Frame {
                    offset,
                    bytes,
                    unterminated: found.is_none(),
                }));
            }
            if found.is_none() {
                return Ok(None);
            }
        }
    }

    fn declared_frame(&mut self) -> Result<Option<Frame>, Violation> {
        if self.declared.is_none() {
            self.declared = match self.encoding {
                Encoding::Protobuf => self.varint()?,
                _ => self.segment_table()?,
            };
        }
        match self.declared {
            Some((header, total)) if self.buffer.len() >= total => {
                self.declared = None;
                // Protobuf's length is no part of the document; Cap'n Proto's table is needed to read it.
                if self.encoding == Encoding::Protobuf {
                    self.take(header);
                }
                let offset = self.offset;
                let length = if self.encoding == Encoding::Protobuf {
                    total - header
                } else {
                    total
                };
                let bytes = self.take(length).freeze();
                Ok(Some(Frame {
                    offset,
                    bytes,
                    unterminated: false,
                }))
            }
            declared if self.finished && !self.buffer.is_empty() => {
                let have = self.buffer.len();
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
                self.buffer.reserve((total - self.buffer.len()).min(AHEAD));
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The length before a Protobuf document.
    fn varint(&self) -> Result<Option<(usize, usize)>, Violation> {
        let mut length = 0u64;
        for (at, &byte) in self.buffer.iter().take(5).enumerate() {
            length |= u64::from(byte & 0x7F) << (7 * at);
            if byte < 0x80 {
                self.check_size(length)?;
                return Ok(Some((at + 1, at + 1 + length as usize)));
            }
        }
        if self.buffer.len() < 5 {
            return Ok(None);
        }
        let expected = "a length as a varint of at most five bytes";
        Err(Violation::new(
            Rule::ProtobufLength,
            self.offset,
            expected,
            quote(&self.buffer[..5]),
        ))
    }

    /// The number of segments and their sizes before a Cap'n Proto message.
    fn segment_table(&self) -> Result<Option<(usize, usize)>, Violation> {
        let mut table = &self.buffer[..];
        if table.len() < 4 {
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
        if self.buffer.len() < header {
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

    fn take(&mut self, count: usize) -> BytesMut {
        self.offset += count as u64;
        self.buffer.split_to(count)
    }
}
