//! A request for a function: a line with its method and target, lines with headers, an empty one, the body.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faas_runtime_fuzz::http(bytes));
