#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| libfaas_fuzz::session(bytes));
