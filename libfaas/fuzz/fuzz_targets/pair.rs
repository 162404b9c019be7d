//! The host's session and the function's, joined by pipes: what callers, handlers, pipes and clocks do.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| libfaas::model::play(bytes));
