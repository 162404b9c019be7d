//! A message, built from the bytes, through every encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| libfaas_fuzz::crossing(bytes));
