//! A process for each event, against a bare spawn of the same program.

use std::path::Path;
use std::time::Duration;

use libfaas::host::{Blocking, Revision, Settings};
use libfaas::{Context, Encoding, Manifest};

use super::{Entry, cores_name};
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::event;
use crate::limits::clock::rate;
use crate::limits::spawn::{posix_spawn, runs_per_second, static_copy};
use crate::ours;

const SIZE: usize = 1 << 10;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |cores: usize| {
        let id = format!("process-per-event-{}", cores_name(cores));
        Entry::new(id, "process per event, 1 KiB, static", cores, move |_| {
            oneshot(cores)
        })
    };
    [1, 2].map(entry).into()
}

fn oneshot(cores: usize) -> Result<Comparison, String> {
    let folder = static_copy()?;
    let mut all = Comparison::new(Unit::PerSecond);
    let bound = Bound::AtLeast(0.9);
    for mode in ["binary", "structured"] {
        let input = match mode {
            "binary" => vec![b'x'; SIZE],
            _ => event(SIZE).encode(Encoding::Protobuf),
        };
        let spawn = posix_spawn(&folder.join("copy"));
        let limit = [all.limit(
            format!("posix_spawn, {} B", input.len()),
            runs_per_second(spawn, input),
        )];
        all.row(
            format!("blocking host, {mode}"),
            &limit,
            bound,
            blocking(&folder, mode),
        );
        let tokio = ours::tokio_rate(manifest(mode), folder.clone(), event(SIZE), 1, cores);
        all.row(format!("tokio host, {mode}"), &limit, None, tokio);
    }
    Ok(all)
}

fn manifest(mode: &str) -> Manifest {
    let yaml = format!(
        "{{fsi: \"1.0\", name: echo, command: [./copy], modes: [{mode}], encodings: [protobuf]}}"
    );
    Manifest::from_yaml(&yaml).expect("a manifest")
}

fn blocking(folder: &Path, mode: &str) -> impl FnMut(Duration) -> f64 + use<> {
    let settings = Settings::default();
    let revision = Revision::new(manifest(mode), folder, "bench", "r1", &settings);
    let mut function = Blocking::new(revision.expect("a revision"), settings);
    let event = event(SIZE);
    move |turn| {
        rate(turn, || {
            let results = function.call(Context::default(), event.clone());
            results.expect("a result").len()
        })
    }
}
