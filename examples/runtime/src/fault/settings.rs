//! Hosts that are configured otherwise than they claim.

use std::time::Duration;

use super::Does::Options;
use super::{Fault, fault};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    fault("init-unbounded", &[Options(|options| options.settings.times.init = LONG)]),
    fault("deadline-no-grace", &[Options(|options| options.settings.times.cancel_grace = SHORT)]),
    fault("deadline-unbounded", &[Options(|options| options.settings.times.cancel_grace = LONG)]),
    fault("drain-impatient", &[Options(|options| options.settings.times.drain = SHORT)]),
    fault("drain-no-kill", &[Options(|options| options.settings.times.term_grace = LONG)]),
    fault("retry-never", &[Options(|options| options.retry.attempts = 1)]),
];
