//! What a subject or a driver says: the first byte has the mode and the encoding, the second where it is cut in two.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faas_conformance_fuzz::incoming(bytes));
