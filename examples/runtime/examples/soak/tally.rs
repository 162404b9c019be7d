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
    faults: BTreeMap<&'static str, u64>,
    asked: u64,
    ended: u64,
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

    /// Something was done to the host or a function.
    pub(crate) fn inject(&self, fault: &'static str) {
        *self.counts().faults.entry(fault).or_default() += 1;
    }

    /// A call was made; [`Tally::ended`] follows, whatever comes of it.
    pub(crate) fn asked(&self) {
        self.counts().asked += 1;
    }

    pub(crate) fn ended(&self) {
        self.counts().ended += 1;
    }

    pub(crate) fn violation(&self, text: String) {
        self.counts().violations.push(text);
    }

    pub(crate) fn is_clean(&self) -> bool {
        let counts = self.counts();
        counts.violations.is_empty() && counts.asked == counts.ended
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        for ((what, end), count) in &counts.ends {
            writeln!(f, "  {what:18} {end:20} {count:>9}")?;
        }
        for (fault, count) in &counts.faults {
            writeln!(f, "  injected: {fault:29} {count:>9}")?;
        }
        let (asked, ended, wrong) = (counts.asked, counts.ended, counts.violations.len());
        writeln!(f, "{asked} calls made, {ended} ended, {wrong} violations")?;
        for violation in counts.violations.iter().take(SHOWN) {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}
