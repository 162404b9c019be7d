//! Cap'n Proto: `Event` and `Message` of our schema, read in place.

mod event;
mod message;
mod segments;
mod usual;
pub(crate) mod view;
mod write;

use capnp::message::{Reader, ReaderOptions};
use capnp::{ErrorKind, NotInSchema};
use faas_schemas::fsi_capnp;

use super::Received;
use crate::error::{Rule, Violation, quote};
use crate::event::Piece;
use crate::text::{Whole, utf8};
use crate::{Event, InvalidEvent, Limits};

use segments::Segments;
pub(super) use write::{event as write_event, message as write_message};

/// Reads one framed `Event`.
pub(super) fn read_event(whole: Whole<'_>, limits: &Limits) -> Result<Event, Violation> {
    if let Some(draft) = usual::Event::read(whole.bytes(), limits).and_then(event::Draft::of_usual)
    {
        return draft.build(whole, Piece::Whole);
    }
    let reader = open(whole.bytes(), limits)?;
    let root = reader
        .get_root::<fsi_capnp::event::Reader<'_>>()
        .map_err(malformed)?;
    let draft = event::Draft::read(root)?;
    draft.build(whole, Piece::Whole)
}

/// Reads one framed `Message`.
pub(super) fn read_message(whole: Whole<'_>, limits: &Limits) -> Result<Received, Violation> {
    let reader = open(whole.bytes(), limits)?;
    let root = reader
        .get_root::<fsi_capnp::message::Reader<'_>>()
        .map_err(malformed)?;
    let (message, draft) = message::read(root, whole)?;
    Ok(Received::new(
        message,
        draft.map(|draft| |piece| draft.build(whole, piece)),
    ))
}

/// A reader of the document, which may traverse a bounded multiple of it.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<Segments<'a>>, Violation> {
    const LEAST: usize = 64 << 10;
    let traversal = bytes
        .len()
        .saturating_mul(limits.capnp_traversal_factor)
        .max(LEAST);
    let options = ReaderOptions {
        traversal_limit_in_words: Some(traversal / 8),
        nesting_limit: limits.capnp_depth,
    };
    Ok(Reader::new(Segments::new(bytes, limits)?, options))
}

/// The rule that the library's error stands for. It knows no offsets.
fn malformed(error: capnp::Error) -> Violation {
    let (rule, expected) = match error.kind {
        ErrorKind::ReadLimitExceeded
        | ErrorKind::MessageIsTooDeeplyNested
        | ErrorKind::MessageIsTooDeeplyNestedOrContainsCycles
        | ErrorKind::NestingLimitExceeded => (
            Rule::CapnpTraversal,
            "pointers that share little of what they point to",
        ),
        ErrorKind::MessageContainsOutOfBoundsPointer | ErrorKind::InvalidSegmentId(_) => {
            (Rule::CapnpBounds, "pointers that lead into the message")
        }
        ErrorKind::MessageContainsTextThatIsNotNULTerminated
        | ErrorKind::TextBlobMissingNULTerminator => {
            (Rule::CapnpText, "text with its terminating NUL")
        }
        _ => (Rule::Malformed, "a message of the schema"),
    };
    Violation::new(rule, 0, expected, format!("{:?}", error.kind))
}

fn text(text: capnp::Result<capnp::text::Reader<'_>>) -> Result<&str, Violation> {
    let bytes = text.map_err(malformed)?.as_bytes();
    utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let came = quote(&bytes[at..bytes.len().min(at + 8)]);
        Violation::new(Rule::CapnpText, 0, "UTF-8 in a text", came)
    })
}

fn unknown_union(name: &str, NotInSchema(discriminant): NotInSchema) -> InvalidEvent {
    let expected = "a kind that this version knows";
    InvalidEvent::new(
        Rule::CapnpUnion,
        name,
        expected,
        format!("discriminant {discriminant}"),
    )
}
