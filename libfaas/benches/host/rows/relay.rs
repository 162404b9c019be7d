//! Five stages joined by kernel pipes, against `cat | cat | cat | cat | cat`.

use libfaas::Manifest;

use super::{Entry, cores_name};
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::event;
use crate::limits::chain::cats;
use crate::ours;

const STAGES: usize = 5;
const SIZE: usize = 64 << 10;
/// More than the pipes and the stages hold.
const IN_FLIGHT: usize = 32;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |cores: usize| {
        let id = format!("relay-{}", cores_name(cores));
        let what = "relay of five stages, events of 64 KiB";
        Entry::new(id, what, cores, move |_| Ok(relay(cores)))
    };
    [1, 2].map(entry).into()
}

/// What a `cat` passes on are messages that a function may write.
fn manifest() -> Manifest {
    let stages = ["{command: [cat]}"; STAGES].join(", ");
    let yaml = format!(
        "{{fsi: \"1.0\", name: echo, pipeline: [{stages}], modes: [stream], encodings: [protobuf], concurrency: {IN_FLIGHT}}}"
    );
    Manifest::from_yaml(&yaml).expect("a manifest")
}

fn relay(cores: usize) -> Comparison {
    let mut all = Comparison::new(Unit::BytesPerSecond);
    let limit = [all.limit("cat | cat | cat | cat | cat", cats(STAGES))];
    let bytes =
        |mut rate: Box<dyn FnMut(std::time::Duration) -> f64>| move |turn| rate(turn) * SIZE as f64;
    let session = ours::session_rate(manifest(), event(SIZE), IN_FLIGHT);
    all.row(
        "session, 5 × cat",
        &limit,
        Bound::AtLeast(0.9),
        bytes(Box::new(session)),
    );
    let tokio = ours::tokio_rate(manifest(), "/".into(), event(SIZE), IN_FLIGHT, cores);
    all.row(
        "tokio host, 5 × cat",
        &limit,
        Bound::AtLeast(0.9),
        bytes(Box::new(tokio)),
    );
    all
}
