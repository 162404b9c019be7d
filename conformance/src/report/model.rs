//! The report of a run, as schemas/json/report.json describes it. Every format is made from this.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

use crate::transcript::{self, Direction};

/// What a run found about one subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of the specification.
    pub spec: String,
    /// The program that judged.
    pub suite: Suite,
    /// What was judged.
    pub subject: SubjectInfo,
    /// What the run's random choices came from.
    pub seed: u64,
    /// When the run began, RFC 3339 in UTC.
    pub date: String,
    /// Milliseconds that the run took.
    pub duration_ms: u64,
    /// Each claimed profile, and whether the subject keeps it.
    pub profiles: Vec<Profile>,
    /// The results of all cases.
    pub summary: Counts,
    /// One per case and mode that the run considered.
    pub results: Vec<CaseResult>,
}

/// The program that judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectInfo {
    /// The subcommand.
    pub kind: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The name in its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version in its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What a runtime's driver stated, and the system it was on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// What its first hello said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
}

/// The verdict on a profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// As spec/conformance.md names it.
    pub name: String,
    /// Whether the subject keeps it.
    pub verdict: YesNo,
    /// The results of its cases.
    pub counts: Counts,
}

/// There is nothing between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum YesNo {
    /// No case failed or had an error, and at least one passed.
    Yes,
    /// Otherwise.
    No,
}

/// How many cases had each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Counts {
    /// See [`Verdict::Pass`].
    pub pass: usize,
    /// See [`Verdict::Fail`].
    pub fail: usize,
    /// See [`Verdict::Warn`].
    pub warn: usize,
    /// See [`Verdict::NotApplicable`].
    pub not_applicable: usize,
    /// See [`Verdict::KnownFail`].
    pub known_fail: usize,
    /// See [`Verdict::Error`].
    pub error: usize,
}

/// What one case found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Its expectations held.
    Pass,
    /// A MUST is broken, or a known failure passes.
    Fail,
    /// A SHOULD is broken.
    Warn,
    /// Outside what the subject claims, or not judged because nothing could be.
    NotApplicable,
    /// Listed as failing, and fails.
    KnownFail,
    /// The suite could not judge.
    Error,
}

/// The result of a case in one mode and encoding.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseResult {
    /// The case, and after `#` the mode and encoding.
    pub id: String,
    /// The mode and encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The rules that it tests.
    pub rules: Vec<String>,
    /// `MUST` or `SHOULD`.
    pub level: String,
    /// What it found.
    pub verdict: Verdict,
    /// Why it does not apply, could not be judged, or is known to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// What the subject should have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// A likely cause, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What went over the wire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<Entry>,
    /// The end of stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// How the process ended; `Some(None)`: the suite had to kill it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "double_option"
    )]
    pub exit: Option<Option<Exit>>,
    /// A command line that runs just this case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduce: Option<String>,
    /// Every profile that it counts for.
    #[serde(skip)]
    pub profiles: BTreeSet<String>,
}

/// An entry of a transcript.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Milliseconds since the subject was started.
    pub at_ms: f64,
    /// `stdin`, `stdout` or `suite`.
    pub direction: String,
    /// In lower-case hex, cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// How many there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// What they decode to, or what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(exit: ExitStatus) -> Exit {
        match (exit.code(), exit.signal()) {
            (Some(status), _) => Exit::Status(status),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        }
    }
}

impl From<transcript::Entry> for Entry {
    fn from(entry: transcript::Entry) -> Entry {
        let bytes = entry.direction != Direction::Suite;
        let mut texts = entry.texts;
        if entry.writes > 1 {
            texts.push(format!("({} writes)", entry.writes));
        }
        Entry {
            // To the microsecond.
            at_ms: entry.at.as_micros() as f64 / 1000.0,
            direction: match entry.direction {
                Direction::Stdin => "stdin",
                Direction::Stdout => "stdout",
                Direction::Suite => "suite",
            }
            .to_owned(),
            bytes: bytes.then(|| data_encoding::HEXLOWER.encode(&entry.bytes)),
            length: bytes.then_some(entry.length),
            text: (!texts.is_empty()).then(|| texts.join("\n")),
        }
    }
}

impl Verdict {
    /// The word of the report.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Warn => "warn",
            Verdict::NotApplicable => "not-applicable",
            Verdict::KnownFail => "known-fail",
            Verdict::Error => "error",
        }
    }

    /// Whether a person has to see it.
    pub fn is_finding(self) -> bool {
        matches!(self, Verdict::Fail | Verdict::Warn | Verdict::Error)
    }
}

impl Counts {
    /// Counts verdicts.
    pub fn of<'a>(results: impl IntoIterator<Item = &'a CaseResult>) -> Counts {
        let mut counts = Counts::default();
        for result in results {
            *match result.verdict {
                Verdict::Pass => &mut counts.pass,
                Verdict::Fail => &mut counts.fail,
                Verdict::Warn => &mut counts.warn,
                Verdict::NotApplicable => &mut counts.not_applicable,
                Verdict::KnownFail => &mut counts.known_fail,
                Verdict::Error => &mut counts.error,
            } += 1;
        }
        counts
    }

    /// How many cases were judged.
    pub fn judged(&self) -> usize {
        self.pass + self.fail + self.warn + self.known_fail
    }

    /// For people: the counts that are not zero.
    pub fn words(&self) -> String {
        let words: Vec<String> = [
            (self.pass, "passed"),
            (self.fail, "failed"),
            (self.warn, "warned"),
            (self.known_fail, "known to fail"),
            (self.error, "not judged by an error"),
            (self.not_applicable, "not run"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
        if words.is_empty() {
            "no cases".to_owned()
        } else {
            words.join(", ")
        }
    }
}

impl CaseResult {
    /// A result that says no more than its verdict.
    pub fn new(id: String, profile: String, rules: Vec<String>, verdict: Verdict) -> CaseResult {
        CaseResult {
            id,
            profiles: [profile.clone()].into(),
            profile: Some(profile),
            rules,
            level: "MUST".to_owned(),
            verdict,
            reason: None,
            duration_ms: 0,
            expected: None,
            actual: None,
            hint: None,
            transcript: Vec::new(),
            stderr: None,
            exit: None,
            reproduce: None,
        }
    }

    /// The case, without the mode and encoding.
    pub fn case(&self) -> &str {
        self.id.split('#').next().unwrap_or(&self.id)
    }
}

/// The verdict of each profile that has cases.
pub fn profiles(results: &[CaseResult]) -> Vec<Profile> {
    let mut by_name: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    for result in results {
        for name in &result.profiles {
            by_name.entry(name).or_default().push(result);
        }
    }
    let verdict = |counts: &Counts| match counts.fail == 0
        && counts.error == 0
        && counts.known_fail == 0
        && counts.pass > 0
    {
        true => YesNo::Yes,
        false => YesNo::No,
    };
    by_name
        .into_iter()
        .map(|(name, results)| (name, Counts::of(results)))
        .map(|(name, counts)| Profile {
            name: name.to_owned(),
            verdict: verdict(&counts),
            counts,
        })
        .collect()
}

/// `exit: null` and no `exit` are different things.
mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().expect("skipped if absent").serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
}
