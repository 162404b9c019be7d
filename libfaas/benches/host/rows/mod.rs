//! The comparisons.

mod codec;
mod memory;
mod oneshot;
mod rate;
mod relay;
#[cfg(target_os = "linux")]
mod start;
mod warm;

use crate::comparison::Comparison;
use crate::options::Options;

/// One comparison, to be made in a process of its own.
pub(crate) struct Entry {
    /// What it is called on the command line.
    pub(crate) id: String,
    /// The same for people.
    pub(crate) what: String,
    pub(crate) cores: usize,
    /// Starts what takes part. Why it can't be, if not.
    pub(crate) prepare: Prepare,
}

type Prepare = Box<dyn Fn(&Options) -> Result<Comparison, String>>;

impl Entry {
    fn new(
        id: impl Into<String>,
        what: impl Into<String>,
        cores: usize,
        prepare: impl Fn(&Options) -> Result<Comparison, String> + 'static,
    ) -> Entry {
        Entry {
            id: id.into(),
            what: what.into(),
            cores,
            prepare: Box::new(prepare),
        }
    }
}

/// What is isolated is isolated on Linux alone.
#[cfg(not(target_os = "linux"))]
mod start {
    pub(super) fn entries() -> Vec<super::Entry> {
        let entry = |id| {
            let why = "isolation is only implemented on Linux";
            super::Entry::new(id, "start to first reply", 2, move |_| Err(why.to_owned()))
        };
        vec![entry("start-2cores")]
    }
}

pub(crate) fn all() -> Vec<Entry> {
    let subjects = [
        warm::entries(),
        rate::entries(),
        oneshot::entries(),
        start::entries(),
        codec::entries(),
        relay::entries(),
        memory::entries(),
    ];
    subjects.into_iter().flatten().collect()
}

/// Whether those of `../peers` take part.
pub(crate) fn has_peers(id: &str) -> bool {
    ["warm-", "rate-"]
        .iter()
        .any(|prefix| id.starts_with(prefix))
}

/// `1core` or `2cores`, in names.
fn cores_name(cores: usize) -> String {
    format!("{cores}core{}", if cores == 1 { "" } else { "s" })
}
