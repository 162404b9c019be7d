//! Contenders that are measured in turns, so that what else the machine does meets all of them.

use std::time::Duration;

use serde::Serialize;

use super::link::interrupted;
use crate::error::Result;
use crate::interrupt;

/// How many turns each contender has.
pub(super) const TURNS: usize = 5;

/// What a turn gave.
#[derive(Debug)]
pub(super) enum Turn {
    /// What each round took, in seconds.
    Times(Vec<f64>),
    /// One figure: a rate, or a size.
    Figure(f64),
}

/// Measures for about so long.
pub(super) type Sample<'a> = Box<dyn FnMut(Duration) -> Result<Turn> + 'a>;

/// Something that is measured.
pub(super) struct Contender<'a> {
    pub(super) name: String,
    pub(super) sample: Sample<'a>,
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Less is better.
    Seconds,
    /// More is better.
    PerSecond,
    /// Less is better.
    Bytes,
}

/// A contender's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Whose they are.
    pub name: String,
    /// The median of the turns; of a turn with several rounds, their median counts.
    pub median: f64,
    /// The best turn.
    pub best: f64,
    /// The 99th percentile of all rounds, where a turn has several.
    pub p99: Option<f64>,
    /// How many rounds there were.
    pub rounds: usize,
}

#[derive(Default)]
struct Taken {
    turns: Vec<f64>,
    rounds: Vec<f64>,
}

/// The limit and those that are held against it, each with the median of its ratios in each turn.
pub(super) fn measure(
    unit: Unit,
    limit: Contender<'_>,
    contenders: Vec<Contender<'_>>,
    turn: Duration,
) -> Result<(Figure, Vec<(Figure, f64)>)> {
    let mut all: Vec<(Contender<'_>, Taken)> = std::iter::once(limit)
        .chain(contenders)
        .map(|contender| (contender, Taken::default()))
        .collect();
    for (contender, _) in &mut all {
        // What a first turn finds cold is not counted.
        (contender.sample)(turn / 4)?;
    }
    for number in 0..TURNS {
        let count = all.len();
        for place in 0..count {
            if interrupt::raised() {
                return Err(interrupted());
            }
            // Every other turn goes backwards, so that none always follows the same.
            let place = if number % 2 == 0 {
                place
            } else {
                count - 1 - place
            };
            let (contender, taken) = &mut all[place];
            match (contender.sample)(turn)? {
                Turn::Times(times) => {
                    taken.turns.push(median(&times));
                    taken.rounds.extend(times);
                }
                Turn::Figure(figure) => taken.turns.push(figure),
            }
        }
    }
    let limit = &all[0].1.turns;
    let ratio = |taken: &Taken| {
        let ratios: Vec<f64> = taken.turns.iter().zip(limit).map(|(a, b)| a / b).collect();
        median(&ratios)
    };
    let rows = all[1..].iter();
    let rows = rows.map(|(contender, taken)| (figure(contender, taken, unit), ratio(taken)));
    Ok((figure(&all[0].0, &all[0].1, unit), rows.collect()))
}

fn figure(contender: &Contender<'_>, taken: &Taken, unit: Unit) -> Figure {
    let turns = taken.turns.iter().copied();
    Figure {
        name: contender.name.clone(),
        median: median(&taken.turns),
        best: match unit {
            Unit::PerSecond => turns.fold(f64::NEG_INFINITY, f64::max),
            Unit::Seconds | Unit::Bytes => turns.fold(f64::INFINITY, f64::min),
        },
        p99: quantile(&taken.rounds, 0.99),
        rounds: taken.rounds.len().max(taken.turns.len()),
    }
}

fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5).unwrap_or(f64::NAN)
}

/// The figure below which this part of all figures lies.
fn quantile(figures: &[f64], part: f64) -> Option<f64> {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1)?;
    let place = (figures.len() as f64 * part) as usize;
    figures.get(place.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let hundred: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn ratios_are_those_of_a_turn() {
        // The machine becomes ten times slower for both: the ratio stays.
        let slowing = |base: f64| {
            let mut factor = 1.0;
            let sample: Sample<'_> = Box::new(move |_| {
                factor *= 10.0;
                Ok(Turn::Figure(base * factor))
            });
            Contender {
                name: String::new(),
                sample,
            }
        };
        let measured = measure(
            Unit::Seconds,
            slowing(2.0),
            vec![slowing(6.0)],
            Duration::ZERO,
        );
        let (limit, rows) = measured.expect("nothing fails");
        assert_eq!(rows[0].1, 3.0);
        assert_eq!(limit.best, 200.0, "the first turn is not counted");
        assert_eq!(limit.rounds, TURNS);
    }
}
