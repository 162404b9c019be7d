//! A manifest, as YAML and as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| libfaas_fuzz::manifest(text));
