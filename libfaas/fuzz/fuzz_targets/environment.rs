//! The environment of a function: lines of NAME=VALUE.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let variables: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    libfaas_fuzz::environment(&variables);
});
