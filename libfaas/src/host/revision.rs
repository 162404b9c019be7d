//! A manifest that this host has accepted, with everything decided that the manifest leaves open.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Encoding, Manifest, Mode};

/// A manifest that this host has accepted, with everything decided that the manifest leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Whose function it is.
    pub tenant: String,
    /// `FAAS_REVISION`: unique among the revisions of this function.
    pub id: String,
    /// What the function says of itself.
    pub manifest: Manifest,
    /// The folder that holds the manifest: where the commands run.
    pub folder: PathBuf,
    /// The version of the specification in use, the lower of the host's and the manifest's.
    pub spec: String,
    /// The mode in which it is run.
    pub mode: Mode,
    /// The encoding; without meaning in binary mode.
    pub encoding: Encoding,
    /// Whether events may go in pieces, both ways.
    pub chunks: bool,
    /// How many calls one instance takes at once; 1 in binary and structured mode.
    pub concurrency: usize,
    /// What it may use: the lower of the manifest's limit and the host's ceiling, each.
    pub bounds: Bounds,
}

/// What a function may use; None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// One attempt of a call.
    pub timeout: Option<Duration>,
    /// Bytes of memory of all processes of an instance together.
    pub memory: Option<u64>,
    /// Thousandths of a core.
    pub millicores: Option<u64>,
    /// Processes and threads of an instance.
    pub pids: Option<u64>,
    /// Bytes below `TMPDIR`.
    pub tmp: Option<u64>,
    /// Bytes of data that one call gives back.
    pub output: Option<u64>,
    /// Bytes of data of one event that goes in.
    pub event: Option<u64>,
}
