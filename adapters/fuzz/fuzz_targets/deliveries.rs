//! A delivery, through all adapters: its description, a zero byte, the payload; or the payload alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faas_adapters_fuzz::delivery(bytes));
