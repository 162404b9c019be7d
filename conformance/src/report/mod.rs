//! What a run found, for people and for machines.

pub mod human;
pub mod junit;
pub mod markdown;
pub mod model;
pub mod progress;
pub mod tap;

use std::io::{self, Write};

use std::path::Path;

use self::model::Report;
use crate::error::{Error, Result};

/// The formats of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, on stderr.
    Human,
    /// schemas/json/report.json.
    Json,
    /// JUnit's XML.
    Junit,
    /// The Test Anything Protocol.
    Tap,
    /// A page to paste into an issue.
    Markdown,
}

/// Writes a report in a format.
pub fn write(report: &Report, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Human => human::write(report, out),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        Format::Junit => junit::write(report, out),
        Format::Tap => tap::write(report, out),
        Format::Markdown => markdown::write(report, out),
    }
}

/// Renders a JSON report that was written before.
pub fn render(file: &Path, format: Format, out: &mut dyn Write) -> Result<()> {
    const ADVICE: &str = "give a file that --report or --format json wrote";
    let bytes = std::fs::read(file)
        .map_err(|e| Error::usage(format!("{} can't be read: {e}", file.display()), ADVICE))?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|e| {
        Error::usage(
            format!("{} is no report of this version: {e}", file.display()),
            ADVICE,
        )
    })?;
    write(&report, format, out).map_err(Error::stdout)
}
