//! Contenders that are measured in turns, and what is claimed of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One subject: what is measured side by side, so that what else the machine does meets all.
pub(crate) struct Comparison {
    unit: Unit,
    contenders: Vec<Contender>,
    claims: Vec<Claim>,
}

struct Contender {
    name: String,
    /// Measures for about so long, and gives a figure.
    sample: Box<dyn FnMut(Duration) -> f64>,
    /// One of each turn.
    figures: Vec<f64>,
}

/// A row of the table.
struct Claim {
    of: Result<usize, (String, String)>,
    /// None: the figure counts by itself.
    against: Vec<usize>,
    bound: Option<Bound>,
}

/// What a figure, or its ratio, has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    BytesPerSecond,
    Bytes,
    /// Of anything.
    Count,
}

/// A contender's figures: the median of its turns, and the best of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) best: f64,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The comparison.
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) cores: usize,
    /// What it was measured for.
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) figure: Option<Figure>,
    pub(crate) against: Option<Figure>,
    /// The median of what each turn gave.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: Option<Bound>,
    /// None where there is no target.
    pub(crate) reached: Option<bool>,
    /// Why there is no figure.
    pub(crate) missing: Option<String>,
    pub(crate) turns: usize,
}

impl Comparison {
    pub(crate) fn new(unit: Unit) -> Self {
        Comparison {
            unit,
            contenders: Vec::new(),
            claims: Vec::new(),
        }
    }

    /// Something that others are held against.
    pub(crate) fn limit(
        &mut self,
        name: impl Into<String>,
        sample: impl FnMut(Duration) -> f64 + 'static,
    ) -> usize {
        self.contenders.push(Contender {
            name: name.into(),
            sample: Box::new(sample),
            figures: Vec::new(),
        });
        self.contenders.len() - 1
    }

    /// Something with a row: its ratio to the best of `against`, if to anything.
    pub(crate) fn row(
        &mut self,
        name: impl Into<String>,
        against: &[usize],
        bound: impl Into<Option<Bound>>,
        sample: impl FnMut(Duration) -> f64 + 'static,
    ) -> usize {
        let of = self.limit(name, sample);
        self.claim(of, against, bound);
        of
    }

    /// One more row of a contender.
    pub(crate) fn claim(&mut self, of: usize, against: &[usize], bound: impl Into<Option<Bound>>) {
        self.claims.push(Claim {
            of: Ok(of),
            against: against.to_vec(),
            bound: bound.into(),
        });
    }

    /// The row of what can't be measured here.
    pub(crate) fn missing(
        &mut self,
        name: impl Into<String>,
        bound: impl Into<Option<Bound>>,
        why: impl Into<String>,
    ) {
        self.claims.push(Claim {
            of: Err((name.into(), why.into())),
            against: Vec::new(),
            bound: bound.into(),
        });
    }

    /// The row of what may be there.
    pub(crate) fn try_row<S: FnMut(Duration) -> f64 + 'static>(
        &mut self,
        name: impl Into<String>,
        against: &[usize],
        bound: impl Into<Option<Bound>>,
        sample: Result<S, String>,
    ) -> Option<usize> {
        match sample {
            Ok(sample) => Some(self.row(name, against, bound, sample)),
            Err(why) => {
                self.missing(name, bound, why);
                None
            }
        }
    }

    /// Measures all in turns. Every other turn goes backwards, so that none always follows the same.
    pub(crate) fn measure(&mut self, entry: &Row, turns: usize, turn: Duration) -> Vec<Row> {
        for contender in &mut self.contenders {
            // What a first turn finds cold is not counted.
            (contender.sample)(turn);
        }
        for number in 0..turns {
            let measure = |contender: &mut Contender| {
                contender.figures.push((contender.sample)(turn));
            };
            match number % 2 {
                0 => self.contenders.iter_mut().for_each(measure),
                _ => self.contenders.iter_mut().rev().for_each(measure),
            }
        }
        let rows = self.claims.iter();
        rows.map(|claim| self.judge(claim, entry, turns)).collect()
    }

    fn judge(&self, claim: &Claim, entry: &Row, turns: usize) -> Row {
        let mut row = Row {
            unit: self.unit,
            target: claim.bound,
            turns,
            ..entry.clone()
        };
        let contender = match &claim.of {
            Ok(of) => &self.contenders[*of],
            Err((name, why)) => {
                row.name.clone_from(name);
                row.missing = Some(why.clone());
                row.reached = claim.bound.map(|_| false);
                return row;
            }
        };
        let figure = self.figure(contender);
        let better = |a: &&Contender, b: &&Contender| {
            let order = median(&a.figures).total_cmp(&median(&b.figures));
            if self.unit.more_is_better() {
                order
            } else {
                order.reverse()
            }
        };
        let against = claim.against.iter().map(|&index| &self.contenders[index]);
        let against = against.max_by(better);
        row.ratio = against.map(|against| {
            let turns = contender.figures.iter().zip(&against.figures);
            median(&turns.map(|(a, b)| a / b).collect::<Vec<_>>())
        });
        row.reached = claim
            .bound
            .map(|bound| bound.holds(row.ratio.unwrap_or(figure.median)));
        row.name.clone_from(&contender.name);
        row.against = against.map(|against| self.figure(against));
        row.figure = Some(figure);
        row
    }

    fn figure(&self, contender: &Contender) -> Figure {
        let figures = contender.figures.iter().copied();
        Figure {
            name: contender.name.clone(),
            median: median(&contender.figures),
            best: match self.unit.more_is_better() {
                true => figures.fold(f64::NEG_INFINITY, f64::max),
                false => figures.fold(f64::INFINITY, f64::min),
            },
        }
    }
}

impl Unit {
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Unit::PerSecond | Unit::BytesPerSecond)
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        }
    }
}

pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
