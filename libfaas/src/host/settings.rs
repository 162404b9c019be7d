//! How a host is configured.

use std::fmt;
use std::time::{Duration, Instant};

use super::Measures;
use crate::Encoding;

/// How a host is configured. The defaults are the specification's (spec/lifecycle.md, "Defaults")
/// where it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the host's hello says of itself: a product and its version. At most 256 bytes.
    pub producer: String,
    /// The encodings that it offers to functions; JSON and Protobuf must be among them
    /// (`mode-runtime-core`).
    pub encodings: Vec<Encoding>,
    /// The time that each step of an instance's life may take.
    pub times: Times,
    /// The most that a function may use, whatever its manifest says.
    pub ceilings: Ceilings,
    /// `FAAS_MAX_MESSAGE_BYTES`: encoded bytes of one message, in both directions.
    pub max_message_bytes: usize,
    /// How much of an instance's stderr is kept, in bytes; the most recent stays.
    pub stderr_bytes: usize,
    /// The isolation that every instance must have.
    pub level: Level,
    /// `PATH` of functions whose manifest sets none.
    pub path: String,
    /// `LANG` of functions whose manifest sets none.
    pub lang: String,
    /// `TZ` of functions whose manifest sets none.
    pub tz: String,
    /// For faulty runtimes alone: what a sandbox does not do.
    #[doc(hidden)]
    pub measures: Measures,
}

/// The time that each step of an instance's life may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the start to the function's hello. Default 10 s.
    pub init: Duration,
    /// From a cancel to the call's `end`. Default 1 s.
    pub cancel_grace: Duration,
    /// From the end of stdin to SIGTERM. Default 30 s.
    pub drain: Duration,
    /// From SIGTERM to SIGKILL. Default 5 s.
    pub term_grace: Duration,
}

/// The most that a function may use. None: no limit but the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// One attempt of a call. Default 1 min.
    pub timeout: Option<Duration>,
    /// Bytes of memory of an instance. Default 512 MiB.
    pub memory: Option<u64>,
    /// Thousandths of a core. Default 1000.
    pub millicores: Option<u64>,
    /// Processes and threads of an instance. Default 128.
    pub pids: Option<u64>,
    /// Bytes below `TMPDIR`. Default 64 MiB.
    pub tmp: Option<u64>,
    /// Bytes of data that one call gives back. Default 64 MiB.
    pub output: Option<u64>,
    /// Bytes of data of one event that goes in. Default 64 MiB.
    pub event: Option<u64>,
}

/// A level of spec/isolation.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every host does: own session, own environment, nothing left behind.
    #[default]
    None,
    /// I1, hygiene: a function starts clean and stays within its limits.
    Hygiene,
    /// I2, multi-tenant: functions of different tenants neither see nor disturb each other.
    MultiTenant,
}

/// So much time after a moment; a moment that nobody lives to see where the clock has none.
pub(super) fn later(moment: Instant, time: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);
    moment.checked_add(time).unwrap_or_else(|| moment + YEARS)
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::None => "none",
            Level::Hygiene => "I1",
            Level::MultiTenant => "I2",
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            producer: concat!("libfaas ", env!("CARGO_PKG_VERSION")).into(),
            encodings: vec![Encoding::Json, Encoding::Protobuf, Encoding::Capnp],
            times: Times::default(),
            ceilings: Ceilings::default(),
            max_message_bytes: 16 << 20,
            stderr_bytes: 64 << 10,
            level: Level::None,
            path: "/usr/local/bin:/usr/bin:/bin".into(),
            lang: "C.UTF-8".into(),
            tz: "UTC".into(),
            measures: Measures::default(),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Times {
            init: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            term_grace: Duration::from_secs(5),
        }
    }
}

impl Default for Ceilings {
    fn default() -> Self {
        Ceilings {
            timeout: Some(Duration::from_secs(60)),
            memory: Some(512 << 20),
            millicores: Some(1000),
            pids: Some(128),
            tmp: Some(64 << 20),
            output: Some(64 << 20),
            event: Some(64 << 20),
        }
    }
}
