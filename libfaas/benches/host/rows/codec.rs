//! Encoding and decoding: within this process, without anybody else's.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use faas_schemas::protobuf::io::cloudevents::v1::CloudEvent;
use libfaas::{Encoding, Event, EventView, Limits, Overlay};
use prost::Message as _;

use super::Entry;
use crate::allocations;
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::{bytes_name, call_bytes, event, json_event};
use crate::limits::clock::latency_of_many;

const SIZES: [usize; 2] = [1 << 10, 1 << 20];

/// "The same time": what a median of turns can be wrong by.
const SAME: Bound = Bound::AtMost(1.1);

pub(super) fn entries() -> Vec<Entry> {
    let entry = |id: &str, what: &str, prepare: fn() -> Comparison| {
        Entry::new(id, what, 1, move |_| Ok(prepare()))
    };
    let mut entries = vec![
        entry("view-protobuf", "Protobuf view", || {
            view(Encoding::Protobuf, 150e-9)
        }),
        entry(
            "view-protobuf-allocations",
            "Protobuf view, allocations",
            || view_allocations(Encoding::Protobuf),
        ),
        entry("view-capnp", "Cap'n Proto view", || {
            view(Encoding::Capnp, 200e-9)
        }),
        entry(
            "view-capnp-allocations",
            "Cap'n Proto view, allocations",
            || view_allocations(Encoding::Capnp),
        ),
        entry("overlay", "Protobuf overlay of one attribute", overlay),
    ];
    for (size, times) in SIZES.into_iter().zip([6.0, 12.0]) {
        let bytes = bytes_name(size);
        let short = bytes.replace(' ', "");
        let what = format!("JSON event with JSON data, decode and encode, {bytes}");
        entries.push(Entry::new(format!("json-{short}"), what, 1, move |_| {
            Ok(json(size, times))
        }));
        let what = format!("decode and encode, binary data, {bytes}");
        entries.push(Entry::new(format!("codec-{short}"), what, 1, move |_| {
            Ok(codec(size))
        }));
    }
    entries
}

/// What a router looks at: id, type, one attribute, and where the data is.
fn look(view: &EventView<'_>) {
    black_box((view.id(), view.ty(), view.attribute("subject"), view.data()));
}

fn look_at(encoding: Encoding, size: usize) -> impl FnMut() {
    let bytes = event(size).encode(encoding);
    let limits = Limits::default();
    move || {
        let bytes = black_box(&bytes[..]);
        let view = match encoding {
            Encoding::Protobuf => EventView::protobuf(bytes),
            _ => EventView::capnp(bytes, &limits),
        };
        look(&view.expect("a valid event"));
    }
}

fn timed(mut work: impl FnMut()) -> impl FnMut(Duration) -> f64 {
    move |turn| latency_of_many(turn, &mut work)
}

fn view(encoding: Encoding, most: f64) -> Comparison {
    let mut all = Comparison::new(Unit::Seconds);
    let [small, large] = SIZES.map(|size| {
        let name = format!("view, {}", bytes_name(size));
        all.row(
            name,
            &[],
            Bound::AtMost(most),
            timed(look_at(encoding, size)),
        )
    });
    all.claim(large, &[small], SAME);
    let copy = all.limit("memcpy of 1 KiB", timed(copy(SIZES[0])));
    all.claim(small, &[copy], None);
    all
}

fn view_allocations(encoding: Encoding) -> Comparison {
    let mut all = Comparison::new(Unit::Count);
    for size in SIZES {
        let mut look = look_at(encoding, size);
        let name = format!("view, {}", bytes_name(size));
        all.row(name, &[], Bound::AtMost(0.0), move |_| {
            allocations::count(&mut look) as f64
        });
    }
    all
}

fn copy(size: usize) -> impl FnMut() {
    let from = vec![1u8; size];
    let mut to = vec![0u8; size];
    move || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
}

/// One attribute laid over the event of a message, which a relay then writes as it is; and the same
/// by decoding and encoding the event alone.
fn overlay() -> Comparison {
    let mut all = Comparison::new(Unit::Seconds);
    let [small, large] = SIZES.map(|size| {
        let message = call_bytes(size);
        let name = format!("overlay, {}", bytes_name(size));
        all.limit(
            name,
            timed(move || {
                let overlay = Overlay::new().attribute("hop", 2).expect("an attribute");
                let pieces = overlay.on_message(black_box(&message));
                black_box(pieces.expect("a message"));
            }),
        )
    });
    all.claim(small, &[], None);
    all.claim(large, &[small], SAME);
    let bytes = Bytes::from(event(SIZES[1]).encode(Encoding::Protobuf));
    let limits = Limits::default();
    let slow = all.limit(
        "decode and encode, 1 MiB",
        timed(move || {
            let event = Event::decode(bytes.clone(), Encoding::Protobuf, &limits);
            let event = event.expect("an event").to_builder().attribute("hop", 2);
            black_box(event.build().expect("an event").encode(Encoding::Protobuf));
        }),
    );
    all.claim(large, &[slow], Bound::AtMost(1.0 / 20.0));
    all
}

/// Data that is JSON, in an event that is JSON.
fn json(size: usize, times: f64) -> Comparison {
    let mut all = Comparison::new(Unit::Seconds);
    let bytes = Bytes::from(json_event(size));
    let text = bytes.clone();
    let sdk = all.limit(
        "cloudevents-sdk",
        timed(move || {
            let event: Result<cloudevents::Event, _> = serde_json::from_slice(black_box(&text));
            black_box(serde_json::to_vec(&event.expect("an event")).expect("JSON"));
        }),
    );
    all.row(
        "libfaas",
        &[sdk],
        Bound::AtMost(1.0 / times),
        there_and_back(Encoding::Json, bytes),
    );
    all
}

fn there_and_back(encoding: Encoding, bytes: Bytes) -> impl FnMut(Duration) -> f64 {
    let limits = Limits::default();
    timed(move || {
        let event = Event::decode(black_box(bytes.clone()), encoding, &limits);
        black_box(event.expect("an event").encode(encoding));
    })
}

/// The three encodings beside what a bare codec does and a copy of the bytes.
fn codec(size: usize) -> Comparison {
    let mut all = Comparison::new(Unit::Seconds);
    let memcpy = [all.limit("memcpy", timed(copy(size)))];
    let encoded = |encoding| Bytes::from(event(size).encode(encoding));
    let bytes = encoded(Encoding::Protobuf);
    all.row(
        "prost alone, Protobuf",
        &memcpy,
        None,
        timed(move || {
            let event = CloudEvent::decode(black_box(bytes.clone()));
            black_box(event.expect("an event").encode_to_vec());
        }),
    );
    for encoding in [Encoding::Protobuf, Encoding::Capnp, Encoding::Json] {
        let bytes = encoded(encoding);
        let name = format!("libfaas, {encoding}");
        all.row(name, &memcpy, None, there_and_back(encoding, bytes));
    }
    let bytes = encoded(Encoding::Json);
    all.row(
        "cloudevents-sdk, json",
        &memcpy,
        None,
        timed(move || {
            let event: Result<cloudevents::Event, _> = serde_json::from_slice(black_box(&bytes));
            black_box(serde_json::to_vec(&event.expect("an event")).expect("JSON"));
        }),
    );
    all
}
