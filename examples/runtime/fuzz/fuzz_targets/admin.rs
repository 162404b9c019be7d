//! A request of an administrator, written as those of `http` are.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faas_runtime_fuzz::admin(bytes));
