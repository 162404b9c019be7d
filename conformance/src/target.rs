//! What is judged, and in which of its modes and encodings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libfaas::{Encoding, Event, Mode};
use serde_json::Value;

use crate::case::Case;
use crate::deploy::Bench;
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
    /// What a runtime claims, where the subject is a runtime's driver.
    pub runtime: Option<RuntimeClaim>,
}

/// What a runtime claims through its driver.
#[derive(Clone, Debug)]
pub struct RuntimeClaim {
    /// The names of all profiles that are claimed.
    pub profiles: BTreeSet<String>,
    /// The times that it keeps.
    pub times: Times,
    /// Where its functions take HTTP requests, if the person said so.
    pub http: Option<String>,
    /// What the driver stated, for the report.
    pub details: BTreeMap<String, String>,
    /// Where the recorder is.
    pub bench: Arc<Bench>,
}

/// The times of spec/lifecycle.md, as a runtime states them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the start of a process to its hello.
    pub init: Duration,
    /// From a cancel to the result without an `end`.
    pub cancel_grace: Duration,
    /// From EOF to SIGTERM.
    pub drain: Duration,
    /// From SIGTERM to SIGKILL.
    pub sigterm_grace: Duration,
}

impl Times {
    /// What cases and details call them; details with `-ms` behind.
    pub const NAMES: [&str; 4] = ["init", "cancel-grace", "drain", "sigterm-grace"];

    /// The time of a name.
    pub fn named(&self, name: &str) -> Duration {
        match name {
            "init" => self.init,
            "cancel-grace" => self.cancel_grace,
            "drain" => self.drain,
            _ => self.sigterm_grace,
        }
    }

    /// As a driver states them: what it leaves out has its default.
    pub fn stated(details: &BTreeMap<String, String>) -> Times {
        let mut times = Times::default();
        for (name, time) in Self::NAMES.into_iter().zip([
            &mut times.init,
            &mut times.cancel_grace,
            &mut times.drain,
            &mut times.sigterm_grace,
        ]) {
            let stated = details.get(&format!("{name}-ms"));
            if let Some(ms) = stated.and_then(|text| text.parse().ok()) {
                *time = Duration::from_millis(ms);
            }
        }
        times
    }

    /// As cases name them: `$drain-ms`.
    pub fn facts(&self) -> BTreeMap<String, Value> {
        let ms = |name: &str| Value::from(self.named(name).as_millis() as u64);
        let fact = |name: &&str| (format!("{name}-ms"), ms(name));
        Self::NAMES.iter().map(fact).collect()
    }
}

impl Default for Times {
    fn default() -> Times {
        Times {
            init: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            sigterm_grace: Duration::from_secs(5),
        }
    }
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

    /// What is spoken over the subject's stdio: to a driver always the same.
    pub fn wire(&self, target: Target) -> Target {
        match self.runtime {
            None => target,
            Some(_) => Target {
                mode: Mode::Stream,
                encoding: Encoding::Json,
            },
        }
    }

    /// The times that count: a runtime's, or none.
    pub fn times(&self) -> Times {
        match &self.runtime {
            Some(runtime) => runtime.times,
            None => Times {
                init: Duration::ZERO,
                ..Times::default()
            },
        }
    }

    /// The environment that the contract has a host set.
    pub fn environment(&self, target: Target) -> BTreeMap<String, String> {
        let target = self.wire(target);
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
        if let Some(runtime) = &self.runtime {
            let mut needed = case.profiles.iter();
            return needed
                .find(|p| !runtime.profiles.contains(*p))
                .map(|profile| {
                    format!("needs the profile `{profile}`, which the runtime does not claim")
                });
        }
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
        if self.runtime.is_some() {
            return match (case.profiles.is_empty(), target.encoding) {
                (false, _) => case.profiles.iter().cloned().collect(),
                (true, Encoding::Capnp) => ["capnp".to_owned()].into(),
                (true, _) => ["core".to_owned()].into(),
            };
        }
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
