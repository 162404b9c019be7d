//! The list of cases that are known to fail.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::report::model::{CaseResult, Verdict};
use crate::select::Named;

/// Identifiers of cases or vectors, each with or without `#mode/encoding`.
#[derive(Clone, Debug, Default)]
pub struct KnownFailures(BTreeSet<String>);

impl KnownFailures {
    /// Reads a list: an identifier a line, `#` at the beginning of a line for comments.
    pub fn read(file: Option<&Path>, all: &[Named]) -> Result<KnownFailures> {
        let Some(file) = file else {
            return Ok(KnownFailures::default());
        };
        let text = std::fs::read_to_string(file).map_err(|e| {
            Error::usage(
                format!(
                    "the list of known failures {} can't be read: {e}",
                    file.display()
                ),
                "give a text file with a case a line",
            )
        })?;
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let known: BTreeSet<String> = lines.map(str::to_owned).collect();
        let unknown = known.iter().find(|line| {
            let case = line.split('#').next().unwrap_or(line);
            !all.iter().any(|named| named.id == case)
        });
        match unknown {
            None => Ok(KnownFailures(known)),
            Some(line) => Err(Error::usage(
                format!(
                    "{} lists `{line}`, and there is no such case",
                    file.display()
                ),
                "`faas-conformance list` names the cases",
            )),
        }
    }

    /// Turns the verdict on a case that is listed: a failure is known, and a pass a failure of the list.
    pub fn compare(&self, result: &mut CaseResult, reproduce: impl FnOnce() -> String) {
        if !self.0.contains(result.case()) && !self.0.contains(&result.id) {
            return;
        }
        match result.verdict {
            Verdict::Fail | Verdict::Warn => {
                result.verdict = Verdict::KnownFail;
                result.reason = Some("it is on the list of known failures".to_owned());
            }
            // Otherwise the list would outlive the faults that it excuses.
            Verdict::Pass => {
                result.verdict = Verdict::Fail;
                result.reason = Some("it is on the list of known failures, and passes".to_owned());
                result.expected =
                    Some("a failure, because it is on the list of known failures".to_owned());
                result.actual = Some("it passes: take it off the list".to_owned());
                result.reproduce = Some(reproduce());
            }
            _ => {}
        }
    }
}
