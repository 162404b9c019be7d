//! The fields of crontab(5), behind eight bytes that say from when on.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u64, &str)| faas_runtime_fuzz::schedule(input.0, input.1));
