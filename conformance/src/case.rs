//! Cases: TOML files, one each, whose path is the identifier. cases/README.md is their manual.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use libfaas::{Encoding, Mode};
use serde::Deserialize;

use crate::deploy::Function;
use crate::embedded;
use crate::error::{Error, Result};
use crate::rule::{self, Level};
use crate::select::Named;
use crate::step::Step;

/// One case: what it proves, for whom, and the steps that prove it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The path below `cases/`, without its ending.
    #[serde(skip)]
    pub id: String,
    /// What a right subject does, in one line.
    pub title: String,
    /// The rules it tests. Whoever breaks one of them fails here.
    pub requires: Vec<String>,
    /// Why the steps prove the rules.
    pub why: String,
    /// The faults of the reference probe or runtime that this case must catch.
    #[serde(default)]
    pub faults: BTreeSet<String>,
    /// Who can be asked to do this.
    pub subject: Kind,
    /// The modes in which the case means something.
    #[serde(deserialize_with = "names")]
    pub modes: Vec<Mode>,
    /// The encodings it is restricted to; all if absent.
    #[serde(default, deserialize_with = "some_names")]
    pub encodings: Option<Vec<Encoding>>,
    /// What the subject must have claimed for the case to apply.
    #[serde(default)]
    pub needs: Needs,
    /// Profiles beyond those that follow from mode, encoding and needs.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// A runtime's case: how the recorder's manifest differs from the plain one.
    #[serde(default)]
    pub function: Function,
    /// A runtime's case: further functions, by name.
    #[serde(default)]
    pub revisions: BTreeMap<String, Function>,
    /// If this one fails, the subject is hopeless in this mode: nothing else is judged.
    #[serde(default)]
    pub gate: bool,
    /// What the suite does and expects.
    pub steps: Vec<Step>,
}

impl Kind {
    /// Whether a subject of this kind can be asked to do what a case of that kind asks.
    pub fn takes(self, case: Kind) -> bool {
        match self {
            Kind::Sdk => case != Kind::Runtime,
            _ => case == self,
        }
    }

    /// The subcommand that judges it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Sdk => "sdk",
            Kind::Runtime => "runtime",
        }
    }
}

/// Who can be asked to do what a case asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any function, whatever its job; `$sample` is the only event it is known to take.
    Function,
    /// The probe, written with the library under test.
    Sdk,
    /// A runtime's driver.
    Runtime,
}

/// What a subject must have claimed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// At least this many calls at once.
    pub concurrency: Option<u32>,
    /// At most this many calls at once.
    pub concurrency_at_most: Option<u32>,
    /// These features.
    pub features: Vec<String>,
    /// That it is a pipeline of several processes (or, if false, that it is not).
    pub pipeline: Option<bool>,
}

/// Reads names such as those of modes, encodings and kinds of subject.
fn names<'de, D, T>(input: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
{
    let names = Vec::<String>::deserialize(input)?;
    let read = |name: &String| {
        name.parse()
            .map_err(|_| serde::de::Error::custom(format!("there is no {name:?} here")))
    };
    names.iter().map(read).collect()
}

fn some_names<'de, D: serde::Deserializer<'de>>(
    input: D,
) -> Result<Option<Vec<Encoding>>, D::Error> {
    names(input).map(Some)
}

impl Case {
    /// Reads one case. `id` is its path below `cases/`, without the ending.
    pub fn parse(id: &str, text: &str) -> Result<Case> {
        let mut case: Case = toml::from_str(text).map_err(|e| {
            Error::usage(
                format!("the case {id} can't be read: {}", e.to_string().trim_end()),
                "cases/README.md describes the format",
            )
        })?;
        case.id = id.to_owned();
        if case.requires.is_empty() || case.steps.is_empty() || case.modes.is_empty() {
            return Err(Error::usage(
                format!("the case {id} has an empty `requires`, `modes` or `steps`"),
                "name at least one rule, one mode and one step",
            ));
        }
        Ok(case)
    }

    /// The cases that the binary carries, in the order of their identifiers.
    pub fn embedded() -> Result<Vec<Case>> {
        embedded::CASES
            .iter()
            .filter(|(id, _)| id.contains('/'))
            .map(|(id, text)| Case::parse(id, text))
            .collect()
    }

    /// The cases in a folder, laid out like `cases/`.
    pub fn from_dir(dir: &Path) -> Result<Vec<Case>> {
        let unreadable = |path: &Path, e: std::io::Error| {
            Error::usage(
                format!("{} can't be read: {e}", path.display()),
                "give a folder laid out like conformance/cases",
            )
        };
        let mut cases = Vec::new();
        for page in std::fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
            let page = page.map_err(|e| unreadable(dir, e))?.path();
            if !page.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(&page).map_err(|e| unreadable(&page, e))? {
                let file = file.map_err(|e| unreadable(&page, e))?.path();
                if file.extension().is_some_and(|e| e == "toml") {
                    let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&file, e))?;
                    let id = file
                        .strip_prefix(dir)
                        .expect("found below it")
                        .with_extension("");
                    cases.push(Case::parse(&id.to_string_lossy(), &text)?);
                }
            }
        }
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(cases)
    }

    /// By what it is selected.
    pub fn named(&self) -> Named {
        Named {
            id: self.id.clone(),
            rules: self.requires.clone(),
        }
    }

    /// The strongest level among its rules: only a case of nothing but SHOULDs yields a warning.
    pub fn level(&self) -> Level {
        self.requires
            .iter()
            .map(|id| rule::rules().get(id).map_or(Level::Must, |rule| rule.level))
            .max()
            .unwrap_or(Level::Must)
    }
}

/// The rules that no case can test yet, with the reason for each.
pub fn untested() -> Result<BTreeMap<String, String>> {
    let Some((_, text)) = embedded::CASES.iter().find(|(id, _)| *id == "untested") else {
        return Ok(BTreeMap::new());
    };
    toml::from_str(text).map_err(|e| {
        Error::not_judged(
            format!("cases/untested.toml can't be read: {e}"),
            "each row is RULE = \"reason\"",
        )
    })
}
