//! A view of an encoded event, and an overlay of it: the first byte chooses the encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((choice, bytes)) = bytes.split_first() {
        let encoding = if choice % 2 == 0 {
            libfaas::Encoding::Protobuf
        } else {
            libfaas::Encoding::Capnp
        };
        libfaas_fuzz::view(encoding, bytes);
    }
});
