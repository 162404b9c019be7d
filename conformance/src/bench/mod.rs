//! `bench`: measures a function or a runtime beside the limit of the same run. README.md says what is
//! measured, and how to read it.

mod client;
mod comparison;
mod events;
mod function;
mod link;
mod oneshot;
mod programs;
mod report;
mod rows;
mod runtime;
mod subject;

use std::io::Write;
use std::time::Duration;

use crate::cli::{self, MeasureOptions};
use crate::error::{Error, Result};
use crate::exit;
use crate::judge;
use crate::report::model::{SubjectInfo, Suite};

pub use comparison::{Figure, Unit};
pub use programs::program;
pub use report::{Machine, Report, Row};

use comparison::{TURNS, measure};
use rows::{LeftOut, Prepared};

/// Measures, and gives the exit status.
pub fn bench(subject: &cli::Bench, to: &mut impl Write) -> Result<u8> {
    match subject {
        cli::Bench::Function(options) => function::bench(options, to),
        cli::Bench::Runtime(options) => runtime::bench(options, to),
    }
}

/// Something to be measured.
struct Entry<'a> {
    id: String,
    what: String,
    profile: String,
    unit: Unit,
    /// The limit and those that are held against it.
    contenders: usize,
    prepare: Box<dyn FnOnce() -> Prepared<'a> + 'a>,
}

impl Entry<'_> {
    fn is_wanted(&self, only: &[String]) -> bool {
        let name = format!("{} {} {}", self.id, self.what, self.profile);
        only.is_empty() || only.iter().any(|text| name.contains(text))
    }
}

/// Measures one after the other, and shows what comes of it.
fn run(
    entries: Vec<Entry<'_>>,
    subject: SubjectInfo,
    options: &MeasureOptions,
    to: &mut impl Write,
) -> Result<u8> {
    let entries: Vec<Entry<'_>> = entries
        .into_iter()
        .filter(|e| e.is_wanted(&options.only))
        .collect();
    if entries.is_empty() {
        return Err(Error::usage(
            format!(
                "nothing that can be measured here has one of {:?} in its name",
                options.only
            ),
            "without --only everything is measured and named",
        ));
    }
    let turns: f64 = entries.iter().map(|e| e.contenders as f64).sum::<f64>() * TURNS as f64;
    let turn = Duration::from_secs_f64(options.seconds / turns);
    let mut report = Report {
        suite: Suite {
            name: "faas-conformance".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        subject,
        date: judge::now(),
        machine: Machine::this(),
        turns: TURNS,
        turn_ms: turn.as_secs_f64() * 1e3,
        rows: Vec::new(),
    };
    if !options.json {
        report::head(&report, to)?;
    }
    for entry in entries {
        for row in rows_of(entry, turn)? {
            if !options.json {
                report::row(&row, to)?;
            }
            report.rows.push(row);
        }
    }
    if options.json {
        let text = serde_json::to_string_pretty(&report).expect("a report is JSON");
        writeln!(to, "{text}").map_err(Error::stdout)?;
    } else {
        report::foot(to)?;
    }
    // A hello alone answers no event.
    let is_answer = |row: &Row| row.figure.is_some() && row.id != "start/hello";
    let left_out = report.rows.iter().any(|row| row.left_out.is_some());
    if left_out && !report.rows.iter().any(is_answer) {
        return Err(Error::not_judged(
            "there is nothing to measure: every event was answered with an error",
            "give an event that it takes with --sample FILE, or under `samples` in its manifest",
        ));
    }
    Ok(exit::CONFORMING)
}

fn rows_of(entry: Entry<'_>, turn: Duration) -> Result<Vec<Row>> {
    let row = Row {
        id: entry.id,
        what: entry.what,
        profile: entry.profile,
        unit: entry.unit,
        figure: None,
        limit: None,
        ratio: None,
        left_out: None,
    };
    let (limit, contenders) = match (entry.prepare)()? {
        Ok(prepared) => prepared,
        Err(LeftOut(why)) => {
            return Ok(vec![Row {
                left_out: Some(why),
                ..row
            }]);
        }
    };
    let (limit, figures) = measure(row.unit, limit, contenders, turn)?;
    let rows = figures.into_iter().map(|(figure, ratio)| Row {
        figure: Some(figure),
        limit: Some(limit.clone()),
        ratio: Some(ratio),
        ..row.clone()
    });
    Ok(rows.collect())
}
