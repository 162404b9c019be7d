//! How a host for many calls is configured.

use std::time::Duration;

use super::log::LogSink;
use crate::host::{Scale, Settings};

/// How a [`Host`](super::Host) is configured.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// How instances are started, bounded and ended.
    pub settings: Settings,
    /// How many instances a function has, and how many calls wait for one.
    pub scale: Scale,
    /// When a call is tried again.
    pub retry: Retry,
    /// Where the records of functions go; None: nowhere.
    pub logs: Option<LogSink>,
}

/// When a call is tried again: where its status allows it (`status-retry`), nothing of its output
/// has been passed on (`retry-not-after-output`), its input is complete and was kept, and the
/// caller's own deadline leaves time. The function's time limit is that of each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts at one call, the first one too. Default 3.
    pub attempts: u32,
    /// What is waited before the second attempt where the status does not say; doubled by each
    /// further one. Default 50 ms.
    pub pause: Duration,
    /// How much input of a call is kept for another attempt, in bytes of data. Default 1 MiB.
    pub keep: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 3,
            pause: Duration::from_millis(50),
            keep: 1 << 20,
        }
    }
}

impl From<Settings> for HostOptions {
    fn from(settings: Settings) -> Self {
        HostOptions {
            settings,
            ..HostOptions::default()
        }
    }
}
