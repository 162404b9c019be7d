//! What people and programs read.

use serde::Serialize;

use crate::comparison::{Bound, Figure, Row, Unit};
use crate::machine::Machine;
use crate::options::Options;

/// The rows so far. A table grows as they come.
pub(crate) struct Report {
    json: bool,
    table: Document,
}

#[derive(Serialize)]
struct Document {
    date: String,
    machine: Machine,
    turns: usize,
    turn_ms: u128,
    rows: Vec<Row>,
}

const WIDTHS: [usize; 9] = [44, 5, 30, 24, 28, 24, 7, 9, 7];
const HEADS: [&str; 9] = [
    "what",
    "cores",
    "measured",
    "median (best)",
    "against",
    "median (best)",
    "ratio",
    "target",
    "reached",
];

impl Report {
    pub(crate) fn start(options: &Options) -> Report {
        let report = Report {
            json: options.json,
            table: Document {
                date: jiff::Timestamp::now()
                    .strftime("%Y-%m-%dT%H:%M:%SZ")
                    .to_string(),
                machine: Machine::this(),
                turns: options.turns,
                turn_ms: options.turn.as_millis(),
                rows: Vec::new(),
            },
        };
        if !options.json {
            let Document {
                date,
                machine,
                turns,
                turn_ms,
                ..
            } = &report.table;
            let load = machine
                .load
                .map_or(String::new(), |load| format!(", load {load}"));
            println!(
                "{date}, {} cores of {}, {}{load}; {turns} turns of about {turn_ms} ms\n",
                machine.cores, machine.processor, machine.kernel
            );
            println!("{}", line(HEADS.map(str::to_owned)));
            println!("{}", line(WIDTHS.map(|width| "-".repeat(width))));
        }
        report
    }

    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        for row in rows {
            if !self.json {
                println!("{}", self.cells(&row));
            }
            self.table.rows.push(row);
        }
    }

    fn cells(&self, row: &Row) -> String {
        let figure = |figure: &Option<Figure>| {
            figure.as_ref().map_or_else(String::new, |figure| {
                let best = shown(figure.best, row.unit);
                format!("{} ({best})", shown(figure.median, row.unit))
            })
        };
        let reached = match row.reached {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let name = row.against.as_ref().map(|against| against.name.clone());
        let mut cells = [
            row.what.clone(),
            row.cores.to_string(),
            row.name.clone(),
            figure(&row.figure),
            name.unwrap_or_default(),
            figure(&row.against),
            row.ratio.map_or_else(String::new, ratio),
            row.target.map_or_else(String::new, |bound| {
                let alone = row.against.is_none() && row.missing.is_none();
                bound_shown(bound, alone.then_some(row.unit))
            }),
            reached.to_owned(),
        ];
        if let Some(why) = &row.missing {
            cells[3] = format!("not measured: {why}");
        }
        line(cells)
    }

    pub(crate) fn finish(self) {
        if self.json {
            let json = serde_json::to_string_pretty(&self.table);
            println!("{}", json.expect("a report is JSON"));
            return;
        }
        let judged = || self.table.rows.iter().filter_map(|row| row.reached);
        let reached = judged().filter(|&reached| reached).count();
        println!("\n{reached} of {} targets reached", judged().count());
    }
}

fn line(cells: [String; 9]) -> String {
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

fn bound_shown(bound: Bound, unit: Option<Unit>) -> String {
    let (sign, value) = match bound {
        Bound::AtMost(most) => ("≤", most),
        Bound::AtLeast(least) => ("≥", least),
    };
    let value = unit.map_or_else(|| ratio(value), |unit| shown(value, unit));
    format!("{sign} {value}")
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
        Unit::Seconds => scaled(&[(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")]),
        Unit::PerSecond => scaled(&[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")]),
        Unit::BytesPerSecond => scaled(&[(1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s")]),
        Unit::Bytes => scaled(&[(1.0, "B"), (1024.0, "KiB"), (1048576.0, "MiB")]),
        Unit::Count => format!("{value:.0}"),
    }
}
