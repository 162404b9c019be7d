//! Streams of messages and of event documents.

use libfaas::{
    Encoding, Event, EventDecoder, Limits, MessageDecoder, Received, Violation, encode_event,
    encode_message,
};

use crate::{limits, pieces};

/// Everything a stream of messages holds, up to its end or its fault, read in pieces cut at `cuts`.
pub fn messages(
    encoding: Encoding,
    bytes: &[u8],
    cuts: &[usize],
) -> (Vec<Received>, Option<Violation>) {
    let mut decoder = MessageDecoder::new(encoding, limits());
    let mut read = Vec::new();
    for piece in pieces(bytes, cuts) {
        match piece {
            Some(piece) => decoder.push(piece),
            None => decoder.finish(),
        }
        loop {
            match decoder.next() {
                Ok(Some(received)) => read.push(received),
                Ok(None) => break,
                Err(violation) => return (read, Some(violation)),
            }
        }
    }
    (read, None)
}

/// As [`messages`], for a stream of event documents. An invalid event does not end it.
pub fn events(encoding: Encoding, bytes: &[u8], cuts: &[usize]) -> Vec<Result<Event, Violation>> {
    let mut decoder = EventDecoder::new(encoding, limits());
    let mut read = Vec::new();
    for piece in pieces(bytes, cuts) {
        match piece {
            Some(piece) => decoder.push(piece),
            None => decoder.finish(),
        }
        loop {
            match decoder.next() {
                Ok(Some(event)) => read.push(Ok(event)),
                Ok(None) => break,
                Err(violation) => {
                    let lost = !violation.is_invalid_event();
                    read.push(Err(violation));
                    if lost {
                        return read;
                    }
                }
            }
        }
    }
    read
}

/// What of a fault can't depend on how the bytes came. A banner is reported, and quoted, as soon as it shows; read as
/// a length that is too large, it may show a byte earlier.
fn fault(violation: &Violation) -> (&str, u64) {
    match (violation.rule(), violation.offset()) {
        ("hello-missing", _) | ("encoding-limit", 0) => ("hello-missing", 0),
        elsewhere => elsewhere,
    }
}

/// A stream of messages; the first byte says where it is cut in two. Any chunking of the bytes yields the same messages, and
/// what was read is the same after it was written again.
pub fn message_stream(encoding: Encoding, bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (read, end) = messages(encoding, bytes, &[]);
    let (in_pieces, end_in_pieces) = messages(encoding, bytes, &[usize::from(*cut)]);
    assert_eq!(read, in_pieces);
    assert_eq!(end.as_ref().map(fault), end_in_pieces.as_ref().map(fault));
    let mut again = Vec::new();
    let readable: Vec<_> = read
        .into_iter()
        .filter(|one| one.invalid_event.is_none())
        .collect();
    for received in &readable {
        encode_message(&received.message, encoding, &mut again);
    }
    // What is written again may be longer than what was read, and a message may be out of its limit then.
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    decoder.push(&again);
    decoder.finish();
    for received in readable {
        assert_eq!(decoder.next(), Ok(Some(received)));
    }
    assert_eq!(decoder.next(), Ok(None));
}

/// The same for event documents; and each survives in every other encoding what that can carry.
pub fn event_stream(encoding: Encoding, bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = events(encoding, bytes, &[]);
    assert_eq!(whole, events(encoding, bytes, &[usize::from(*cut)]));
    for event in whole.into_iter().flatten() {
        for other in Encoding::ALL {
            crosses(&event, *other);
        }
    }
}

/// Written in an encoding and read again, an event is what it was as far as the encoding can tell: a second crossing
/// changes nothing more, and an encoding that can tell everything changes nothing at all.
pub fn crosses(event: &Event, encoding: Encoding) {
    let once = through(event, encoding);
    assert_eq!(once, through(&once, encoding));
    assert_eq!(
        (event.id(), event.source(), event.ty()),
        (once.id(), once.source(), once.ty())
    );
    // JSON data is a value: a line feed or carriage return between its tokens becomes a space on the way.
    if event.data() != once.data() {
        assert_eq!(
            event.data().map(|data| data.as_bytes()),
            once.data().map(|data| data.as_bytes())
        );
    }
    if encoding != Encoding::Json {
        for (name, value) in event.attributes() {
            assert_eq!(once.attribute(name), Some(value));
        }
    }
}

fn through(event: &Event, encoding: Encoding) -> Event {
    let mut bytes = Vec::new();
    encode_event(event, encoding, &mut bytes);
    let mut decoder = EventDecoder::new(encoding, Limits::default());
    decoder.push(&bytes);
    decoder.finish();
    let read = decoder
        .next()
        .expect("what was written can be read")
        .expect("a document");
    assert_eq!(decoder.next(), Ok(None));
    read
}
