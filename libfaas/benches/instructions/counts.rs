//! `counts.toml`: what was counted, and with what.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/instructions/counts.toml"
);
const UPDATE: &str = "cargo bench -p libfaas --bench instructions -- --update";

/// How much more or less is no news, in parts of what is recorded.
const TOLERANCE: f64 = 0.05;

#[derive(Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Counts compare only where these are the same.
    #[serde(rename = "counted-with")]
    pub(crate) machine: Machine,
    /// Of one time through each path.
    pub(crate) instructions: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Machine {
    rustc: String,
    target: String,
    libc: String,
    /// What valgrind lets programs see of the processor, of what Rust code asks for.
    features: String,
}

pub(crate) enum Verdict {
    Fine,
    /// Counted with something else, so nothing can be said.
    Elsewhere,
    Worse,
}

impl Machine {
    /// What this process sees of the processor.
    pub(crate) fn features() -> String {
        let mut features = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let seen = [
                ("sse4.2", std::is_x86_feature_detected!("sse4.2")),
                ("avx2", std::is_x86_feature_detected!("avx2")),
                ("avx512f", std::is_x86_feature_detected!("avx512f")),
            ];
            features.extend(seen.into_iter().filter(|seen| seen.1).map(|seen| seen.0));
        }
        features.join(" ")
    }

    pub(crate) fn here(features: &str) -> Self {
        let first_line = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output().ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().next().map(str::to_owned)
        };
        let unknown = || "unknown".to_owned();
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        Machine {
            rustc: first_line(&rustc, "--version").unwrap_or_else(unknown),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            libc: first_line("getconf", "GNU_LIBC_VERSION").unwrap_or_else(unknown),
            features: features.to_owned(),
        }
    }

    fn differences<'a>(&'a self, other: &'a Machine) -> impl Iterator<Item = String> + 'a {
        let pairs = [
            ("rustc", &self.rustc, &other.rustc),
            ("target", &self.target, &other.target),
            ("libc", &self.libc, &other.libc),
            ("features", &self.features, &other.features),
        ];
        let pairs = pairs.into_iter().filter(|(_, a, b)| a != b);
        pairs.map(|(name, recorded, here)| format!("{name}: `{recorded}` recorded, `{here}` here"))
    }
}

impl Counts {
    pub(crate) fn read() -> io::Result<Self> {
        toml::from_str(&std::fs::read_to_string(PATH)?).map_err(io::Error::other)
    }

    pub(crate) fn write(&self) -> io::Result<()> {
        std::fs::write(PATH, self.to_text())
    }

    pub(crate) fn to_text(&self) -> String {
        let toml = toml::to_string(self).expect("texts and numbers");
        format!(
            "# Instructions that each hot path takes, with data of 1 KiB; views and overlays with 1 MiB.\n# Written by `{UPDATE}`.\n\n{toml}"
        )
    }

    /// Compares, and says what it found.
    pub(crate) fn judge(&self, counted: &Counts) -> Verdict {
        let differences: Vec<String> = self.machine.differences(&counted.machine).collect();
        if !differences.is_empty() {
            println!("skipped: instructions were counted with something else before:");
            differences.iter().for_each(|line| println!("    {line}"));
            println!("To count with what is here: {UPDATE}");
            return Verdict::Elsewhere;
        }
        let mut verdict = Verdict::Fine;
        let mut better = false;
        let names = self.instructions.keys().chain(counted.instructions.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let line = match (self.instructions.get(name), counted.instructions.get(name)) {
                (Some(&recorded), Some(&here)) => {
                    let change = here as f64 / recorded.max(1) as f64 - 1.0;
                    let judgement = if change > TOLERANCE {
                        verdict = Verdict::Worse;
                        "MORE than recorded"
                    } else if change < -TOLERANCE {
                        better = true;
                        "less than recorded"
                    } else {
                        ""
                    };
                    format!(
                        "{recorded:>8} {here:>8} {:>+7.1} %  {judgement}",
                        100.0 * change
                    )
                }
                (Some(recorded), None) => {
                    verdict = Verdict::Worse;
                    format!("{recorded:>8}        –            recorded, and counted no more")
                }
                (None, here) => {
                    verdict = Verdict::Worse;
                    format!(
                        "       – {:>8}            not recorded yet",
                        here.unwrap_or(&0)
                    )
                }
            };
            println!("{name:<28} {line}");
        }
        if matches!(verdict, Verdict::Worse) {
            println!("\nA hot path takes over 5 % more than {PATH} has, or the lists differ.");
            println!("If that has to be so, say why in the commit, and record it: {UPDATE}");
        } else if better {
            println!("\nA hot path has become faster. Record it, so that it stays so: {UPDATE}");
        }
        verdict
    }
}
