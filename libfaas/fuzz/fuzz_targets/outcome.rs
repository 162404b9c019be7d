//! An invocation in binary or structured mode: the function, the exit, where stdout is cut in two, stdout.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| libfaas_fuzz::outcome(bytes));
