//! The start of a stream: a hello, or something that never meant to speak this protocol.

use super::Encoding;
use crate::error::{Rule, Violation, quote};

/// Finds from its first bytes a stream that does not start with a hello, so that a banner is
/// quoted at once and not waited on as a length.
pub(super) fn check_start(encoding: Encoding, start: &[u8], offset: u64) -> Result<(), Violation> {
    // Looked at again with every piece that comes, so no more than a banner's length.
    let start = &start[..start.len().min(1024)];
    let wrong = match encoding {
        Encoding::Json => {
            let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            let line = &start[start.iter().take_while(blank).count()..];
            // A byte order mark has a rule of its own, and half of one may still become it.
            line.first().is_some_and(|&b| b != b'{')
                && !b"\xEF\xBB\xBF".starts_with(&line[..line.len().min(3)])
        }
        Encoding::Protobuf => {
            let length = start.iter().take_while(|&&b| b >= 0x80).count() + 1;
            // The tag of `hello` is FA 01; before it there may be a call of 0, 08 00.
            let tag = start.get(length);
            // Only these bytes are looked at, so that it makes no difference how many came at once.
            is_text(&start[..start.len().min(length + 1).min(5)])
                && (length > 5 || tag.is_some_and(|tag| !matches!(tag, 0xFA | 0x08)))
        }
        // The number of segments; text makes it some millions.
        Encoding::Capnp => start.first_chunk::<4>().is_some_and(|count| is_text(count)),
    };
    if wrong {
        Err(missing(offset, start))
    } else {
        Ok(())
    }
}

/// The stream began with these bytes.
pub(super) fn missing(offset: u64, start: &[u8]) -> Violation {
    Violation::new(Rule::HelloMissing, offset, "a hello as the first message", quote(start)).advise(
        "write nothing to stdout but messages, log to stderr, and check that both sides have the same FAAS_ENCODING",
    )
}

/// Whether these bytes could be the start of a text that people read.
fn is_text(bytes: &[u8]) -> bool {
    let readable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{1b}');
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().all(readable),
        // A character that is not all there yet is no fault.
        Err(error) if error.error_len().is_none() => {
            let (text, _) = bytes.split_at(error.valid_up_to());
            String::from_utf8_lossy(text).chars().all(readable)
        }
        Err(_) => false,
    }
}
