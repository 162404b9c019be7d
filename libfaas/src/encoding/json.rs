//! JSON: CloudEvents' JSON format for events, an object of our own for messages.

mod event;
mod message;
pub(crate) mod reader;
mod scan;
mod write;

use data_encoding::BASE64;

use crate::error::{Rule, quote};
use crate::event::Piece;
use crate::text::{Whole, utf8};
use crate::{Event, Limits, Violation};

use super::Received;
use reader::Reader;
pub(super) use write::{event as write_event, message as write_message};

/// Reads one event document.
pub(super) fn read_event(whole: Whole<'_>, limits: &Limits) -> Result<Event, Violation> {
    let mut reader = Reader::new(text(whole.bytes())?, limits.json_depth);
    let draft = event::read(&mut reader)?;
    reader.end()?;
    draft.build(whole, Piece::Whole)
}

/// Reads one message.
pub(super) fn read_message(whole: Whole<'_>, limits: &Limits) -> Result<Received, Violation> {
    let mut reader = Reader::new(text(whole.bytes())?, limits.json_depth);
    let (message, draft) = message::read(&mut reader)?;
    reader.end()?;
    Ok(Received::new(
        message,
        draft.map(|draft| |piece| draft.build(whole, piece)),
    ))
}

fn text(bytes: &[u8]) -> Result<&str, Violation> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(
            Violation::new(Rule::JsonBom, 0, "a JSON object", "a byte order mark")
                .advise("write UTF-8 without a byte order mark"),
        );
    }
    utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let came = quote(&bytes[at..bytes.len().min(at + 8)]);
        // A character that is cut is good as far as it goes: what is missing is missing at the end.
        let at = if error.error_len().is_none() {
            bytes.len()
        } else {
            at
        };
        Violation::new(Rule::JsonUtf8, at as u64, "UTF-8", came)
    })
}

/// Standard base64 with padding, and nothing after the padding (RFC 4648 section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    // The library would take several padded texts in a row.
    let padded = text.find('=').is_none_or(|at| at + 2 >= text.len());
    BASE64.decode(text.as_bytes()).ok().filter(|_| padded)
}
