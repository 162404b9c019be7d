//! Between two stages of a pipeline.

use libfaas::host::relayed;
use libfaas::{Encoding, EventDecoder, Limits, MessageDecoder, Mode};

use crate::pieces;

/// Bytes of a message that the relay passes on.
const LIMIT: usize = 4096;

/// The first byte has the mode and the encodings, the second where the others are cut in two. However they are cut, what is
/// passed on is the same, is well-formed, ends every call at most once and is what a second relay passes on unchanged.
pub fn relay(bytes: &[u8]) {
    let [head, cut, bytes @ ..] = bytes else {
        return;
    };
    let mode = if head & 1 == 0 {
        Mode::Stream
    } else {
        Mode::Structured
    };
    let encoding = |shift: u8| Encoding::ALL[usize::from(head >> shift & 3) % 3];
    let (from, to, cuts) = (encoding(1), encoding(3), &[usize::from(*cut)]);
    let (passed, broken) = relayed(mode, from, to, LIMIT, pieces(bytes, &[]));
    let (in_pieces, cut_broken) = relayed(mode, from, to, LIMIT, pieces(bytes, cuts));
    assert_eq!(passed, in_pieces);
    assert_eq!(broken.is_some(), cut_broken.is_some());
    let limits = Limits {
        max_message_bytes: 16 << 20,
        ..Limits::default()
    };
    match mode {
        Mode::Stream => {
            let mut decoder = MessageDecoder::new(to, limits);
            decoder.push(&passed);
            while let Some(received) = decoder.next().expect("what is passed on is well-formed") {
                assert_eq!(received.invalid_event, None);
            }
        }
        _ => {
            let mut decoder = EventDecoder::new(to, limits);
            decoder.push(&passed);
            while decoder
                .next()
                .expect("what is passed on is well-formed")
                .is_some()
            {}
        }
    }
    // Passed through the same encoding again nothing changes: what it cannot tell is lost already.
    let (again, fault) = relayed(mode, to, to, 16 << 20, pieces(&passed, &[]));
    let (twice, _) = relayed(mode, to, to, 16 << 20, pieces(&again, &[]));
    assert_eq!(fault, None);
    assert_eq!(again, twice);
}
