//! The list of cases that are known to fail.

use std::collections::BTreeSet;
use std::path::Path;

use crate::case::Case;
use crate::error::{Error, Result};

/// Identifiers of cases, each with or without `#mode/encoding`.
#[derive(Clone, Debug, Default)]
pub struct KnownFailures(BTreeSet<String>);

impl KnownFailures {
    /// Reads a list: an identifier a line, `#` at the beginning of a line for comments.
    pub fn read(path: &Path, cases: &[Case]) -> Result<KnownFailures> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::usage(
                format!(
                    "the list of known failures {} can't be read: {e}",
                    path.display()
                ),
                "give a text file with a case a line",
            )
        })?;
        let mut known = BTreeSet::new();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let case = line.split('#').next().unwrap_or(line);
            if !cases.iter().any(|c| c.id == case) {
                return Err(Error::usage(
                    format!(
                        "{} lists `{line}`, and there is no such case",
                        path.display()
                    ),
                    "`faas-conformance list` names the cases",
                ));
            }
            known.insert(line.to_owned());
        }
        Ok(KnownFailures(known))
    }

    /// Whether a case is listed, for every mode or for this one.
    pub fn contains(&self, case: &str, with_profile: &str) -> bool {
        self.0.contains(case) || self.0.contains(with_profile)
    }
}
