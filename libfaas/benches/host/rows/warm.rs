//! A warm unary call against a raw ping-pong of as many bytes.

use super::{Entry, cores_name};
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::{bytes_name, event};
use crate::limits::echo::{Transport, ping_pong};
use crate::options::Options;
use crate::{ours, peers};

/// Bytes of data, and the most that a call may take on one core.
const SIZES: [(usize, f64); 4] = [
    (64, 1.25),
    (1 << 10, 1.25),
    (64 << 10, 1.15),
    (1 << 20, 1.15),
];

pub(super) fn entries() -> Vec<Entry> {
    let entry = |cores: usize, (size, most): (usize, f64)| {
        let bytes = bytes_name(size);
        let id = format!("warm-{}-{}", bytes.replace(' ', ""), cores_name(cores));
        Entry::new(id, format!("warm call, {bytes}"), cores, move |options| {
            Ok(warm(size, cores, most, options))
        })
    };
    [1, 2]
        .into_iter()
        .flat_map(|cores| SIZES.map(|size| entry(cores, size)))
        .collect()
}

fn warm(size: usize, cores: usize, most: f64, options: &Options) -> Comparison {
    let mut all = Comparison::new(Unit::Seconds);
    let mut limits = vec![all.limit("ping-pong, pipes", ping_pong(size, Transport::Pipe))];
    let (mut blocking, mut tokio) = (None, None);
    if cores == 1 {
        (blocking, tokio) = (Some(Bound::AtMost(most)), Some(Bound::AtMost(2.0)));
    } else if size == 1 << 20 {
        blocking = Some(Bound::AtMost(1.2));
        #[cfg(target_os = "linux")]
        limits.push(all.limit(
            "ping-pong, 1 MiB pipes",
            ping_pong(size, Transport::WidePipe),
        ));
        limits.push(all.limit(
            "ping-pong, socket pair",
            ping_pong(size, Transport::SocketPair),
        ));
    }
    let host_alone = ours::blocking("pass", event(size));
    all.row("blocking host alone", &limits, None, host_alone);
    let call = ours::blocking("function", event(size));
    all.row("blocking host and function", &limits, blocking, call);
    let call = ours::tokio_calls(event(size), cores);
    all.row("tokio host and function", &limits, tokio, call);
    peers::warm(&mut all, &limits, size, cores, options);
    all
}
