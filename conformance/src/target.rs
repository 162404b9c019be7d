//! What is judged, and in which of its modes and encodings.

use std::collections::{BTreeMap, BTreeSet};

use libfaas::{Encoding, Event, Mode};

use crate::case::Case;
use crate::subject::launch::Stage;

/// What a person named on the command line: programs, and what they are claimed to do.
#[derive(Clone, Debug)]
pub struct Claim {
    /// One program, or the stages of a pipeline.
    pub stages: Vec<Stage>,
    /// The function's name.
    pub name: String,
    /// The function's version, if its manifest has one.
    pub version: Option<String>,
    /// Claimed modes.
    pub modes: Vec<Mode>,
    /// Claimed encodings.
    pub encodings: Vec<Encoding>,
    /// Claimed features.
    pub features: BTreeSet<String>,
    /// Claimed number of calls at once.
    pub concurrency: u32,
    /// An event that the function is known to take.
    pub sample: Event,
    /// The options that name the subject on a command line, for the line that reproduces a failure.
    pub options: Vec<String>,
    /// The command, if it was given on the command line.
    pub command: Vec<String>,
}

/// One mode and encoding of a claim: what a case runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The mode.
    pub mode: Mode,
    /// The encoding; of no meaning in binary mode.
    pub encoding: Encoding,
}

impl Target {
    /// The profile's name: `binary`, `structured/json`, `stream/protobuf`, …
    pub fn profile(self) -> String {
        match self.mode {
            Mode::Binary => "binary".to_owned(),
            mode => format!("{mode}/{}", self.encoding),
        }
    }
}

impl Claim {
    /// Every mode and encoding that is claimed.
    pub fn targets(&self) -> Vec<Target> {
        let of = |mode: &Mode| match mode {
            Mode::Binary => vec![Target {
                mode: Mode::Binary,
                encoding: Encoding::Json,
            }],
            mode => self
                .encodings
                .iter()
                .map(|encoding| Target {
                    mode: *mode,
                    encoding: *encoding,
                })
                .collect(),
        };
        self.modes.iter().flat_map(of).collect()
    }

    /// The environment that the contract has a host set.
    pub fn environment(&self, target: Target) -> BTreeMap<String, String> {
        let features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        let mut env: BTreeMap<String, String> = [
            ("FAAS_SPEC", "1.0"),
            ("FAAS_MODE", target.mode.name()),
            ("FAAS_FEATURES", &features.join(",")),
            ("FAAS_FUNCTION", &self.name),
            ("FAAS_REVISION", "1"),
            ("FAAS_TENANT", "conformance"),
            ("FAAS_CONCURRENCY", &self.concurrency.to_string()),
            ("FAAS_MAX_MESSAGE_BYTES", "16777216"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if target.mode != Mode::Binary {
            env.insert(
                "FAAS_ENCODING".to_owned(),
                target.encoding.name().to_owned(),
            );
        }
        env
    }

    /// Why a case says nothing about this claim, if so. Mode, encoding and kind are the plan's business.
    pub fn lacks(&self, case: &Case) -> Option<String> {
        let needs = &case.needs;
        if let Some(n) = needs.concurrency.filter(|n| self.concurrency < *n) {
            return Some(format!(
                "needs a concurrency of {n}, the subject claims {}",
                self.concurrency
            ));
        }
        if let Some(n) = needs.concurrency_at_most.filter(|n| self.concurrency > *n) {
            return Some(format!(
                "needs a concurrency of at most {n}, the subject claims {}",
                self.concurrency
            ));
        }
        if let Some(feature) = needs.features.iter().find(|f| !self.features.contains(*f)) {
            return Some(format!(
                "needs the feature `{feature}`, which the subject does not claim"
            ));
        }
        match needs.pipeline {
            Some(true) if self.stages.len() < 2 => {
                Some("needs a pipeline, and the subject is one process".to_owned())
            }
            Some(false) if self.stages.len() > 1 => {
                Some("needs one process, and the subject is a pipeline".to_owned())
            }
            _ => None,
        }
    }

    /// The profiles that a case counts for.
    pub fn profiles(&self, case: &Case, target: Target) -> BTreeSet<String> {
        let mut profiles = BTreeSet::from([target.profile()]);
        profiles.extend(case.profiles.iter().cloned());
        profiles.extend(case.needs.features.iter().cloned());
        if case.needs.concurrency.is_some_and(|n| n > 1) {
            profiles.insert("concurrency".to_owned());
        }
        if case.needs.pipeline == Some(true) {
            profiles.insert("pipeline".to_owned());
        }
        profiles
    }
}
