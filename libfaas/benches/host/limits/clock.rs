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
