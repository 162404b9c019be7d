//! What it costs to read, write, view and overlay an event, beside the libraries that others use.
//!
//! ```sh
//! cargo bench -p libfaas --bench codec                # everything
//! cargo bench -p libfaas --bench codec -- protobuf    # what has this in its name
//! ```
//!
//! divan rather than criterion: it counts allocations beside the time, and "no allocation" is half
//! of what is claimed here; it takes seconds for all of it; and it brings a tenth of the crates.
//! The ratios with targets are rows of `--bench host`.

mod peers;
mod subject;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box};
use libfaas::Encoding;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SIZES: [usize; 2] = [1 << 10, 1 << 20];

fn main() {
    divan::main();
}

macro_rules! ours {
    ($($name:ident: $encoding:ident),+) => {
        $(mod $name {
            use super::*;

            const ENCODING: Encoding = Encoding::$encoding;

            #[divan::bench(args = SIZES)]
            fn decode(bencher: Bencher<'_, '_>, size: usize) {
                let document = subject::document(ENCODING, size);
                bencher.bench_local(|| subject::decode(black_box(&document), ENCODING));
            }

            #[divan::bench(args = SIZES)]
            fn encode(bencher: Bencher<'_, '_>, size: usize) {
                let event = subject::event(ENCODING, size);
                bencher.bench_local(|| black_box(&event).encode(ENCODING));
            }

            #[divan::bench(args = SIZES)]
            fn decode_encode(bencher: Bencher<'_, '_>, size: usize) {
                let document = subject::document(ENCODING, size);
                bencher.bench_local(|| subject::decode_encode(black_box(&document), ENCODING));
            }

            #[divan::bench(args = SIZES)]
            fn message_decode(bencher: Bencher<'_, '_>, size: usize) {
                let bytes = subject::message(ENCODING, size);
                let bytes = subject::undelimited(&bytes, ENCODING);
                bencher.bench_local(|| subject::decode_message(black_box(&bytes), ENCODING));
            }

            #[divan::bench(args = SIZES)]
            fn message_encode(bencher: Bencher<'_, '_>, size: usize) {
                let bytes = subject::message(ENCODING, size);
                let message = subject::decode_message(&subject::undelimited(&bytes, ENCODING), ENCODING);
                bencher.bench_local(|| subject::encode(black_box(&message), ENCODING));
            }
        })+
    };
}

ours! { json: Json, protobuf: Protobuf, capnp: Capnp }

/// Of the encodings that are read in place.
mod view {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn protobuf(bencher: Bencher<'_, '_>, size: usize) {
        let document = subject::document(Encoding::Protobuf, size);
        bencher.bench_local(|| subject::view(black_box(&document), Encoding::Protobuf));
    }

    #[divan::bench(args = SIZES)]
    fn capnp(bencher: Bencher<'_, '_>, size: usize) {
        let document = subject::document(Encoding::Capnp, size);
        bencher.bench_local(|| subject::view(black_box(&document), Encoding::Capnp));
    }
}

#[divan::bench(args = SIZES)]
fn overlay_protobuf(bencher: Bencher<'_, '_>, size: usize) {
    let message = subject::message(Encoding::Protobuf, size);
    bencher.bench_local(|| subject::overlay(black_box(&message), black_box(7)));
}

/// Bytes in JSON are base64.
mod json_base64 {
    use super::*;

    fn document(size: usize) -> Bytes {
        subject::event_with_bytes(size)
            .encode(Encoding::Json)
            .into()
    }

    #[divan::bench(args = SIZES)]
    fn ours(bencher: Bencher<'_, '_>, size: usize) {
        let document = document(size);
        bencher.bench_local(|| subject::decode_encode(black_box(&document), Encoding::Json));
    }

    #[divan::bench(args = SIZES)]
    fn cloudevents_sdk(bencher: Bencher<'_, '_>, size: usize) {
        let document = document(size);
        bencher.bench_local(|| peers::sdk_decode_encode(black_box(&document)));
    }
}

macro_rules! peers {
    ($($name:ident: $encoding:ident, $decode:ident, $both:ident);+ $(;)?) => {
        $(mod $name {
            use super::*;

            #[divan::bench(args = SIZES)]
            fn decode(bencher: Bencher<'_, '_>, size: usize) {
                let document = subject::document(Encoding::$encoding, size);
                bencher.bench_local(|| peers::$decode(black_box(&document)));
            }

            #[divan::bench(args = SIZES)]
            fn decode_encode(bencher: Bencher<'_, '_>, size: usize) {
                let document = subject::document(Encoding::$encoding, size);
                bencher.bench_local(|| peers::$both(black_box(&document)));
            }
        })+
    };
}

peers! {
    peer_prost: Protobuf, prost_decode, prost_decode_encode;
    peer_capnp: Capnp, capnp_decode, capnp_decode_encode;
    peer_serde_json: Json, serde_decode, serde_decode_encode;
    peer_cloudevents_sdk: Json, sdk_decode, sdk_decode_encode;
}
