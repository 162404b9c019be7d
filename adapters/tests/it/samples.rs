//! The deliveries of the fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use faas_adapters::{Adapter, Delivery};

use crate::case::Case;

pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) adapter: &'static dyn Adapter,
    pub(crate) delivery: Delivery,
    /// Whether it is mapped, or refused.
    pub(crate) mapped: bool,
    /// Whether its data is no part of the payload as it came, since the mapping says so.
    pub(crate) made: bool,
}

/// Read once: there are hundreds, and properties ask for them again and again.
pub(crate) fn all() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(read)
}

fn read() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut level = vec![root.clone()];
    for _ in 0..3 {
        level = level.iter().flat_map(|folder| folders(folder)).collect();
    }
    let samples = level.into_iter().map(|folder| {
        let case = Case::read(&folder).unwrap_or_else(|error| panic!("{error}"));
        Sample {
            name: folder.strip_prefix(&root).unwrap().display().to_string(),
            adapter: case.adapter,
            delivery: case.delivery,
            mapped: folder.join("output.json").exists(),
            made: folder.join("DATA-IS-MADE").exists(),
        }
    });
    samples.collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}
