//! What the suite reads of a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use libfaas::{Encoding, Mode};
use serde::Deserialize;

use crate::error::{Error, Result};

/// A manifest, as far as it matters to the suite; the other members are only known by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    fsi: String,
    /// The function's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<serde_json::Value>,
    command: Option<Vec<String>>,
    pipeline: Option<Vec<Stage>>,
    modes: Vec<String>,
    encodings: Option<Vec<String>>,
    /// Claimed features.
    #[serde(default)]
    pub(crate) features: BTreeSet<String>,
    /// Claimed number of calls at once.
    #[serde(default = "one")]
    pub(crate) concurrency: u32,
    /// Set for every stage.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Event files, relative to the manifest's folder.
    #[serde(default)]
    pub(crate) samples: Vec<PathBuf>,
    #[serde(rename = "consumes")]
    _consumes: Option<serde_json::Value>,
    #[serde(rename = "produces")]
    _produces: Option<serde_json::Value>,
    #[serde(rename = "limits")]
    _limits: Option<serde_json::Value>,
    #[serde(rename = "network")]
    _network: Option<serde_json::Value>,
    #[serde(rename = "triggers")]
    _triggers: Option<serde_json::Value>,
}

/// A stage of a pipeline.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Set for this stage.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

impl Manifest {
    /// Reads `function.yaml` or `function.json`.
    pub(crate) fn read(file: &Path) -> Result<Manifest> {
        const ADVICE: &str = "spec/manifest.md says what a manifest holds";
        let fail = |e: String| {
            Error::usage(
                format!("the manifest {} can't be used: {e}", file.display()),
                ADVICE,
            )
        };
        let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
        // JSON is YAML.
        let manifest: Manifest = serde_saphyr::from_str(&text).map_err(|e| fail(e.to_string()))?;
        if manifest.fsi.split('.').next() != Some("1") {
            return Err(fail(format!(
                "`fsi` is {:?}, and this suite judges version 1",
                manifest.fsi
            )));
        }
        if manifest.command.is_some() == manifest.pipeline.is_some() {
            return Err(fail(
                "it needs `command` or `pipeline`, and not both".into(),
            ));
        }
        if manifest.modes().is_empty() {
            return Err(fail("`modes` names no mode of this version".into()));
        }
        Ok(manifest)
    }

    /// The programs: one, or a pipeline's.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        match (&self.command, &self.pipeline) {
            (Some(command), _) => vec![Stage {
                command: command.clone(),
                env: BTreeMap::new(),
            }],
            (None, stages) => {
                let stages = stages.iter().flatten();
                stages
                    .map(|s| Stage {
                        command: s.command.clone(),
                        env: s.env.clone(),
                    })
                    .collect()
            }
        }
    }

    /// Claimed modes; names of later versions are skipped.
    pub(crate) fn modes(&self) -> Vec<Mode> {
        self.modes
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// Claimed encodings; names of later versions are skipped.
    pub(crate) fn encodings(&self) -> Vec<Encoding> {
        match &self.encodings {
            Some(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
            None => vec![Encoding::Json],
        }
    }
}
