//! What came of it all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often what ended how, and what should not have.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    ends: BTreeMap<(String, String), u64>,
    violations: Vec<String>,
}

/// Violations that are shown in full.
const SHOWN: usize = 20;

impl Tally {
    pub(crate) fn count(&self, what: &str, end: &str) {
        *self
            .counts()
            .ends
            .entry((what.to_owned(), end.to_owned()))
            .or_default() += 1;
    }

    pub(crate) fn violation(&self, text: String) {
        self.counts().violations.push(text);
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.counts().violations.is_empty()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let mut total = 0;
        for ((what, end), count) in &counts.ends {
            writeln!(f, "  {what:18} {end:20} {count:>9}")?;
            total += count;
        }
        writeln!(f, "{total} in all, {} violations", counts.violations.len())?;
        for violation in counts.violations.iter().take(SHOWN) {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}
