//! What must hold for every input, whatever it is: one function for each kind of input, called by the fuzz targets.

mod crossing;
mod log;
mod outcome;
mod relay;
mod session;

pub use crossing::crossing;
pub use log::log;
pub use outcome::outcome;
pub use relay::relay;
pub use session::session;

use libfaas::host::{Revision, Settings};
use libfaas::{
    DataView, Encoding, Environment, Event, EventDecoder, EventView, Limits, Manifest,
    MessageDecoder, Overlay, Received, ValueView, Violation, encode_event, encode_message,
};

/// Small limits, so that short inputs reach them.
pub fn limits() -> Limits {
    Limits {
        max_message_bytes: 4096,
        ..Limits::default()
    }
}

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

/// The pieces between the cuts, then None for the end.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<Option<&'a [u8]>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let mut pieces: Vec<_> = starts
        .zip(ends)
        .map(|(from, to)| Some(&bytes[from..to]))
        .collect();
    pieces.push(None);
    pieces
}

/// What of a fault can't depend on how the bytes came. A banner is reported, and quoted, as soon as it shows; read as
/// a length that is too large, it may show a byte earlier.
fn fault(violation: &Violation) -> (&str, u64) {
    match (violation.rule(), violation.offset()) {
        ("hello-missing", _) | ("encoding-limit", 0) => ("hello-missing", 0),
        elsewhere => elsewhere,
    }
}

/// Any chunking of the bytes yields the same messages, and what was read is the same after it was written again.
pub fn message_stream(encoding: Encoding, bytes: &[u8], cuts: &[usize]) {
    let (read, end) = messages(encoding, bytes, &[]);
    let (in_pieces, end_in_pieces) = messages(encoding, bytes, cuts);
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
pub fn event_stream(encoding: Encoding, bytes: &[u8], cuts: &[usize]) {
    let whole = events(encoding, bytes, &[]);
    assert_eq!(whole, events(encoding, bytes, cuts));
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

/// A view and an overlay of any bytes agree with the decoder wherever that reads them.
pub fn view(encoding: Encoding, bytes: &[u8]) {
    let decoded = Event::decode(bytes.to_vec(), encoding, &limits());
    let view = match encoding {
        Encoding::Protobuf => EventView::protobuf(bytes),
        Encoding::Capnp => EventView::capnp(bytes, &limits()),
        Encoding::Json => return,
    };
    let Ok(event) = decoded else { return };
    let view = view.expect("what can be decoded can be viewed");
    assert_eq!(
        (view.id(), view.source(), view.ty()),
        (event.id(), event.source(), event.ty())
    );
    assert_eq!(view.data().is_some(), event.data().is_some());
    if let Some(DataView::Binary(data)) = view.data() {
        assert_eq!(Some(data), event.data().map(|data| data.as_bytes()));
    }
    for (name, value) in event.attributes() {
        let seen = view
            .attribute(name)
            .expect("an attribute that the decoder reads");
        if let Some(text) = value.as_str()
            && let ValueView::String(seen) | ValueView::Uri(seen) | ValueView::UriRef(seen) = seen
        {
            assert_eq!(seen, text);
        }
    }
    if encoding == Encoding::Protobuf {
        let mut overlaid = bytes.to_vec();
        overlaid.extend(
            Overlay::new()
                .attribute("hop", 7)
                .expect("valid")
                .attributes(),
        );
        let overlaid =
            Event::decode(overlaid, encoding, &Limits::default()).expect("still an event");
        assert_eq!(
            overlaid,
            event
                .to_builder()
                .attribute("hop", 7)
                .build()
                .expect("valid")
        );
    }
}

/// A manifest is read or refused. What a function prints in mode `describe` is the manifest that it was built with, and
/// a host accepts it or says why not.
pub fn manifest(text: &str) {
    for read in [Manifest::from_yaml(text), Manifest::from_json(text)] {
        match read {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(manifest) => {
                let mut again = Manifest::from_json(&manifest.to_json()).expect("a manifest");
                // Without an encoding that is known only binary mode is left, where none matters.
                if manifest.encodings.is_empty() {
                    again.encodings.clear();
                }
                assert_eq!(again, manifest);
                match Revision::new(manifest, ".", "t", "r", &Settings::default()) {
                    Ok(revision) => assert!(revision.concurrency > 0),
                    Err(status) => assert!(!status.is_ok()),
                }
            }
        }
    }
}

/// What a host may set, a function reads back.
pub fn environment(variables: &[(&str, &str)]) {
    let Ok(environment) = Environment::from_vars(variables.iter().copied()) else {
        return;
    };
    if let Ok(written) = environment.to_vars() {
        let again = Environment::from_vars(&written).expect("what was written can be read");
        assert_eq!(again.to_vars(), Ok(written));
    }
}
