//! Calls per second with several in flight, against a raw stream of as many messages.

use super::{Entry, cores_name};
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::event;
use crate::limits::echo::framed;
use crate::options::Options;
use crate::{ours, peers};

const SIZE: usize = 1 << 10;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |cores: usize, in_flight: usize| {
        let id = format!("rate-{in_flight}-{}", cores_name(cores));
        let what = format!("calls per second, 1 KiB, {in_flight} in flight");
        Entry::new(id, what, cores, move |options| {
            Ok(rate(in_flight, cores, options))
        })
    };
    [1, 2]
        .into_iter()
        .flat_map(|cores| [1, 4, 16, 64].map(|in_flight| entry(cores, in_flight)))
        .collect()
}

fn rate(in_flight: usize, cores: usize, options: &Options) -> Comparison {
    let bound = (cores == 1 && in_flight >= 16).then_some(Bound::AtLeast(0.65));
    let mut all = Comparison::new(Unit::PerSecond);
    let limit = [all.limit("framed echo stream", framed(SIZE, in_flight))];
    let event = event(SIZE);
    let alone = ours::session_rate(ours::manifest("pass", in_flight), event.clone(), in_flight);
    all.row("session, host alone", &limit, None, alone);
    let session = ours::session_rate(
        ours::manifest("function", in_flight),
        event.clone(),
        in_flight,
    );
    all.row("session and function", &limit, bound, session);
    let tokio = {
        let manifest = ours::manifest("function", in_flight);
        ours::tokio_rate(manifest, "/".into(), event, in_flight, cores)
    };
    all.row("tokio host and function", &limit, bound, tokio);
    peers::rate(&mut all, &limit, in_flight, cores, options);
    all
}
