//! A function's stderr: the first byte says where it is cut in two.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((cut, bytes)) = bytes.split_first() {
        libfaas_fuzz::log(bytes, &[usize::from(*cut)]);
    }
});
