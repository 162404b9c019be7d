//! `bench function`.

use std::io::Write;
use std::time::Duration;

use libfaas::{Event, Mode};

use super::comparison::Unit;
use super::events::{SIZES, USUAL, bytes_name, of_size};
use super::rows::{self, Until};
use super::subject::Measured;
use super::{Entry, run};
use crate::case::Kind;
use crate::claimed;
use crate::cli::BenchFunction;
use crate::error::Result;
use crate::event::Events;
use crate::report::model::SubjectInfo;
use crate::target::Claim;

/// Calls in flight.
pub(super) const IN_FLIGHT: [usize; 4] = [1, 4, 16, 64];

/// Measures a function in each of its modes and encodings.
pub(super) fn bench(options: &BenchFunction, to: &mut impl Write) -> Result<u8> {
    // Where there is no sample, the probe's stands in, and is not used.
    let mut claim = claimed::claim(&options.claimed, Kind::Sdk, 0)?;
    let sample = (claim.sample != Events::echo_sample(0)).then(|| claim.sample.clone());
    // Answers are whole events: nobody is told that pieces are taken.
    claim.features.clear();
    let calls = Calls::new(sample, options.sizes);
    let patience = Duration::from_secs_f64(options.measure.timeout);
    let targets = claim.targets().into_iter();
    let measured: Vec<[Measured; 1]> = targets
        .map(|target| [Measured::new(&claim, target, false, patience)])
        .collect();
    let mut entries = Vec::new();
    for one in &measured {
        match one[0].target.mode {
            Mode::Stream => {
                entries.extend(stream(one, &calls, claim.concurrency as usize));
                entries.push(entry(one, "memory", "memory, idle", Unit::Bytes, || {
                    rows::memory(&one[0], &calls.usual)
                }));
            }
            _ => entries.push(entry(
                one,
                "run",
                "runs, a process each",
                Unit::PerSecond,
                || rows::runs(&one[0], &calls.usual),
            )),
        }
    }
    run(entries, subject(&claim), &options.measure, to)
}

/// The events of calls.
pub(super) struct Calls {
    /// Those of calls one at a time, with what an id and people call them.
    sized: Vec<(String, String, Event)>,
    /// The one of everything else.
    usual: Event,
}

impl Calls {
    pub(super) fn new(sample: Option<Event>, sizes: bool) -> Calls {
        let own = sample.iter().map(|event| {
            let size = event.data().map_or(0, |data| data.as_bytes().len());
            let what = format!("call, sample of {}", bytes_name(size));
            ("call/sample".to_owned(), what, event.clone())
        });
        let made = SIZES
            .iter()
            .filter(|_| sizes || sample.is_none())
            .map(|&size| {
                let what = format!("call, {}", bytes_name(size));
                (format!("call/{size}"), what, of_size(size))
            });
        Calls {
            sized: own.chain(made).collect(),
            usual: sample.clone().unwrap_or_else(|| of_size(USUAL)),
        }
    }
}

/// Everything that is measured in stream mode, of one or of several side by side.
pub(super) fn stream<'a>(
    measured: &'a [Measured],
    calls: &'a Calls,
    concurrency: usize,
) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (id, what, until) in [
        ("start/hello", "start, to hello", Until::Hello),
        ("start/reply", "start, to first reply", Until::Reply),
    ] {
        entries.push(entry(measured, id, what, Unit::Seconds, move || {
            rows::start(measured, until, &calls.usual)
        }));
    }
    for (id, what, event) in &calls.sized {
        entries.push(entry(measured, id, what, Unit::Seconds, move || {
            rows::calls(measured, event)
        }));
    }
    for in_flight in IN_FLIGHT.into_iter().filter(|n| *n <= concurrency) {
        let (id, what) = (
            format!("rate/{in_flight}"),
            format!("rate, {in_flight} in flight"),
        );
        entries.push(entry(measured, &id, &what, Unit::PerSecond, move || {
            rows::rate(measured, &calls.usual, in_flight)
        }));
    }
    entries
}

fn entry<'a>(
    measured: &'a [Measured],
    id: &str,
    what: &str,
    unit: Unit,
    prepare: impl FnOnce() -> rows::Prepared<'a> + 'a,
) -> Entry<'a> {
    Entry {
        id: id.to_owned(),
        what: what.to_owned(),
        profile: measured[0].target.profile(),
        unit,
        contenders: measured.len() + 1,
        prepare: Box::new(prepare),
    }
}

fn subject(claim: &Claim) -> SubjectInfo {
    let stages = claim.stages.iter().map(|stage| stage.argv.clone());
    SubjectInfo {
        kind: Kind::Function.name().to_owned(),
        command: stages.collect::<Vec<_>>().join(&"|".to_owned()),
        name: Some(claim.name.clone()),
        version: claim.version.clone(),
        claims: Default::default(),
        producer: None,
    }
}
