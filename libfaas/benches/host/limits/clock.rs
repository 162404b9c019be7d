//! Time taken.

use std::time::{Duration, Instant};

use crate::comparison::median;

/// The median of the times that rounds took, for so long.
pub(crate) fn latency(turn: Duration, mut round: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    let start = Instant::now();
    let mut before = start;
    while before - start < turn || times.len() < 3 {
        round();
        let now = Instant::now();
        times.push((now - before).as_secs_f64());
        before = now;
    }
    median(&times)
}

/// How many a second, where each round does as many as it says.
pub(crate) fn rate(turn: Duration, mut round: impl FnMut() -> usize) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    loop {
        count += round();
        let taken = start.elapsed();
        if taken >= turn {
            return count as f64 / taken.as_secs_f64();
        }
    }
}

/// The median time of work that is too short for the clock: so many times in a row that it isn't.
pub(crate) fn latency_of_many(turn: Duration, mut work: impl FnMut()) -> f64 {
    /// A thousand times what reading the clock takes.
    const LONG_ENOUGH: Duration = Duration::from_micros(40);
    let mut count = 1;
    loop {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        if start.elapsed() >= LONG_ENOUGH {
            break;
        }
        count *= 2;
    }
    latency(turn, || (0..count).for_each(|_| work())) / f64::from(count)
}
