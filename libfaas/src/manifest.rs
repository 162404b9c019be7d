//! The manifest: what a function says of itself before it is started.

mod error;
mod filter;
mod node;
mod quantity;
mod read;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

pub use error::ManifestError;
pub use quantity::{InvalidQuantity, Quantity};

use crate::{Encoding, Mode};

/// What a function is: how it is started, what it speaks, what it may use and what sets it off.
///
/// ```
/// use libfaas::{Encoding, Manifest, Mode};
///
/// let manifest = Manifest::from_yaml(r#"
/// fsi: "1.0"
/// name: shout
/// command: [tr, a-z, A-Z]
/// modes: [binary]
/// limits: { memory: 64Mi, timeout: 1m30s }
/// "#)?;
/// assert_eq!(manifest.modes, [Mode::Binary]);
/// assert_eq!(manifest.encodings, [Encoding::Json]);
/// assert_eq!(manifest.limits.memory.unwrap().rounded_up(), 64 << 20);
/// # Ok::<(), libfaas::ManifestError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The version of the specification that it was written for, `major.minor`.
    pub fsi: String,
    /// The function's name: 1 to 63 of `a`-`z`, `0`-`9` and `-`.
    pub name: String,
    /// The function's own version, for people.
    pub version: Option<String>,
    /// How it is started.
    pub start: Start,
    /// Modes in order of preference; never empty, names that this library does not know left out.
    pub modes: Vec<Mode>,
    /// Encodings in order of preference, names that this library does not know left out. Empty only
    /// where `modes` has nothing but binary mode.
    pub encodings: Vec<Encoding>,
    /// Features of this version that the function understands: `chunks` or nothing.
    pub features: Vec<String>,
    /// How many calls one process takes at once in stream mode, 1 to 65,535.
    pub concurrency: u16,
    /// The events that it is written for.
    pub consumes: Vec<EventKind>,
    /// The events that it emits.
    pub produces: Vec<EventKind>,
    /// What it may use.
    pub limits: ManifestLimits,
    /// Environment variables that it gets.
    pub env: BTreeMap<String, String>,
    /// What it may reach.
    pub network: Network,
    /// What sets it off.
    pub triggers: Vec<Trigger>,
    /// Event files that a suite may send, relative to the manifest and inside its folder.
    pub samples: Vec<String>,
}

/// How a function is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A program and its arguments, without a shell.
    Command(Vec<String>),
    /// Several programs joined by pipes.
    Pipeline(Vec<Stage>),
}

/// One program of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// A program and its arguments, without a shell.
    pub command: Vec<String>,
    /// The stage's own encodings, in order of preference; None: the manifest's.
    pub encodings: Option<Vec<Encoding>>,
}

/// A kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// The attribute `type` of such events.
    pub ty: String,
    /// The media type of their data.
    pub datacontenttype: Option<String>,
    /// The absolute URI of the schema of their data.
    pub dataschema: Option<String>,
}

/// What a function may use; what is left out has the runtime's own value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ManifestLimits {
    /// One attempt of a call, from its start to its `end`.
    pub timeout: Option<Duration>,
    /// Bytes of memory of all processes together.
    pub memory: Option<Quantity>,
    /// Cores.
    pub cpu: Option<Quantity>,
    /// Processes and threads together.
    pub pids: Option<u64>,
    /// Bytes that TMPDIR holds.
    pub tmp: Option<Quantity>,
    /// Bytes that one call writes to stdout.
    pub output: Option<Quantity>,
    /// Bytes of data of one event that goes in.
    pub event: Option<Quantity>,
}

/// What a function may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// TCP connections that it opens.
    OutboundTcp,
}

/// What sets a function off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A request with this path and one of these methods.
    Http {
        /// Matched whole, or as everything below it when it ends with `/*`.
        path: String,
        /// Upper-case names; POST where the manifest has none.
        methods: Vec<String>,
    },
    /// An event that passes all filters.
    Events {
        /// None: every event passes.
        filters: Vec<Filter>,
    },
    /// Points in time, in UTC.
    Schedule {
        /// The five fields of crontab(5).
        cron: String,
    },
    /// A message of a topic.
    Queue {
        /// The topic's name.
        topic: String,
    },
}

/// A filter of the CloudEvents Subscriptions API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Attributes whose values are equal to these.
    Exact(BTreeMap<String, String>),
    /// Attributes whose values begin so.
    Prefix(BTreeMap<String, String>),
    /// Attributes whose values end so.
    Suffix(BTreeMap<String, String>),
    /// Every one of these passes.
    All(Vec<Filter>),
    /// At least one of these passes.
    Any(Vec<Filter>),
    /// This does not pass.
    Not(Box<Filter>),
    /// A dialect that this library does not know. Who would have to filter by it must refuse.
    Unknown(String),
}

impl Manifest {
    /// The programs that run, one of them unless it is a pipeline.
    pub fn stages(&self) -> Vec<Stage> {
        match &self.start {
            Start::Command(command) => vec![Stage {
                command: command.clone(),
                encodings: None,
            }],
            Start::Pipeline(stages) => stages.clone(),
        }
    }

    /// Whether the function understands the feature.
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}
