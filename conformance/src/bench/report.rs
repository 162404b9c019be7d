//! What people and programs read.

use std::io::Write;

use serde::Serialize;

use super::comparison::{Figure, TURNS, Unit};
use crate::error::{Error, Result};
use crate::report::model::{SubjectInfo, Suite};

/// All that was found; README.md beside this file describes its JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The suite.
    pub suite: Suite,
    /// Who was measured.
    pub subject: SubjectInfo,
    /// When, in UTC.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// Turns of each contender.
    pub turns: usize,
    /// About how long each turn was.
    pub turn_ms: f64,
    /// The table.
    pub rows: Vec<Row>,
}

/// The machine, as far as a reader has to know it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Processors that the suite may use.
    pub cores: usize,
    /// The system and its version.
    pub system: String,
    /// The processors' architecture.
    pub architecture: String,
    /// Processes that wanted to run in the last minute, on average, when the run began.
    pub load: Option<f64>,
}

/// One thing that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// For programs: `call/1024`.
    pub id: String,
    /// For people.
    pub what: String,
    /// The mode and encoding.
    pub profile: String,
    /// What the figures are numbers of.
    pub unit: Unit,
    /// What was measured.
    pub figure: Option<Figure>,
    /// What it is held against.
    pub limit: Option<Figure>,
    /// The median of each turn's figure by the limit's.
    pub ratio: Option<f64>,
    /// Why there are no figures.
    pub left_out: Option<String>,
}

impl Machine {
    pub(super) fn this() -> Machine {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", text(uname.sysname()), text(uname.release())),
            architecture: text(uname.machine()),
            load: load.split(' ').next().and_then(|load| load.parse().ok()),
        }
    }
}

const HEADS: [&str; 7] = [
    "what",
    "measured",
    "median (best)",
    "p99",
    "limit",
    "median (best)",
    "ratio",
];
const WIDTHS: [usize; 7] = [24, 36, 23, 9, 27, 23, 7];

/// What stands above the rows.
pub(super) fn head(report: &Report, to: &mut impl Write) -> Result<()> {
    let machine = &report.machine;
    let load = machine
        .load
        .map_or(String::new(), |load| format!(", load {load}"));
    let lines = format!(
        "{}, {} cores, {} {}{load}; {TURNS} turns of about {:.0} ms\n\n{}\n{}\n",
        report.date,
        machine.cores,
        machine.system,
        machine.architecture,
        report.turn_ms,
        line(HEADS.map(str::to_owned)),
        line(WIDTHS.map(|width| "-".repeat(width))),
    );
    write(to, &lines)
}

/// A row.
pub(super) fn row(row: &Row, to: &mut impl Write) -> Result<()> {
    let figure = |figure: &Option<Figure>| {
        figure.as_ref().map_or_else(String::new, |figure| {
            let best = shown(figure.best, row.unit);
            format!("{} ({best})", shown(figure.median, row.unit))
        })
    };
    let name = |figure: &Option<Figure>| figure.as_ref().map(|figure| figure.name.clone());
    let p99 = row.figure.as_ref().and_then(|figure| figure.p99);
    if let Some(why) = &row.left_out {
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let ([what, profile, ..], [wide, wider, ..]) = ([&row.what, &row.profile], WIDTHS);
        return write(
            to,
            &format!("| {what:<wide$} | {profile:<wider$} | left out: {why}\n"),
        );
    }
    let cells = [
        row.what.clone(),
        format!("{}, {}", name(&row.figure).unwrap_or_default(), row.profile),
        figure(&row.figure),
        p99.map_or_else(String::new, |p99| shown(p99, row.unit)),
        name(&row.limit).unwrap_or_default(),
        figure(&row.limit),
        row.ratio.map_or_else(String::new, ratio),
    ];
    write(to, &format!("{}\n", line(cells)))
}

/// What stands below them.
pub(super) fn foot(to: &mut impl Write) -> Result<()> {
    write(
        to,
        "\nratio: times as long, as many or as large as the limit\n",
    )
}

fn write(to: &mut impl Write, text: &str) -> Result<()> {
    to.write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .map_err(Error::stdout)
}

fn line(cells: [String; 7]) -> String {
    let cells = cells.iter().zip(WIDTHS);
    let cells: Vec<String> = cells
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    format!("| {} |", cells.join(" | "))
}

fn ratio(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.4}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.1}"),
    }
}

/// A figure with its unit, in three digits.
fn shown(value: f64, unit: Unit) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let step = steps.iter().rev().find(|(least, _)| value >= *least);
        let (least, name) = step.unwrap_or(&steps[0]);
        let value = value / least;
        match value {
            value if value < 10.0 => format!("{value:.2} {name}"),
            value if value < 100.0 => format!("{value:.1} {name}"),
            value => format!("{value:.0} {name}"),
        }
    };
    match unit {
        Unit::Seconds => scaled(&[(1e-6, "µs"), (1e-3, "ms"), (1.0, "s")]),
        Unit::PerSecond => scaled(&[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")]),
        Unit::Bytes => scaled(&[(1.0, "B"), (1024.0, "KiB"), (1_048_576.0, "MiB")]),
    }
}
