//! A stream through a relay: the first byte has the mode and the encodings, the second where it is cut in two.
#![no_main]

use libfaas::{Encoding, Mode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [head, cut, bytes @ ..] = bytes {
        let mode = if head & 1 == 0 {
            Mode::Stream
        } else {
            Mode::Structured
        };
        let encoding = |shift: u8| Encoding::ALL[usize::from(head >> shift & 3) % 3];
        libfaas_fuzz::relay(mode, encoding(1), encoding(3), bytes, &[usize::from(*cut)]);
    }
});
