//! Which rules are tested, by what, and which are not, with the reasons.

use std::collections::BTreeMap;

use crate::case::{Case, untested};
use crate::error::Result;
use crate::fixture::fixtures;
use crate::rule::Rule;
use crate::vector::{Vector, vectors};

/// What tests what.
#[derive(Debug)]
pub struct Coverage {
    cases: BTreeMap<String, Vec<String>>,
    vectors: BTreeMap<String, Vec<Vector>>,
    fixtures: BTreeMap<String, Vec<String>>,
    untested: BTreeMap<String, String>,
}

impl Coverage {
    /// By these cases, and the vectors and fixtures that the binary carries.
    pub fn of(cases: &[Case]) -> Result<Coverage> {
        let mut coverage = Coverage {
            cases: BTreeMap::new(),
            vectors: BTreeMap::new(),
            fixtures: BTreeMap::new(),
            untested: untested()?,
        };
        for case in cases {
            for rule in &case.requires {
                coverage
                    .cases
                    .entry(rule.clone())
                    .or_default()
                    .push(case.id.clone());
            }
        }
        for vector in vectors()? {
            for rule in vector.rules() {
                coverage
                    .vectors
                    .entry(rule)
                    .or_default()
                    .push(vector.clone());
            }
        }
        for fixture in fixtures()? {
            for rule in fixture.rules {
                coverage
                    .fixtures
                    .entry(rule)
                    .or_default()
                    .push(fixture.id.clone());
            }
        }
        Ok(coverage)
    }

    /// The cases that test a rule.
    pub fn cases(&self, rule: &str) -> &[String] {
        self.cases.get(rule).map_or(&[], Vec::as_slice)
    }

    /// The vectors that test a rule.
    pub fn vectors(&self, rule: &str) -> &[Vector] {
        self.vectors.get(rule).map_or(&[], Vec::as_slice)
    }

    /// The fixtures that test a rule.
    pub fn fixtures(&self, rule: &str) -> &[String] {
        self.fixtures.get(rule).map_or(&[], Vec::as_slice)
    }

    /// Why a rule is not tested, if the list says.
    pub fn reason(&self, rule: &str) -> Option<&str> {
        self.untested.get(rule).map(String::as_str)
    }

    /// Whether anything tests a rule.
    pub fn tests(&self, rule: &Rule) -> bool {
        !self.cases(&rule.id).is_empty()
            || !self.vectors(&rule.id).is_empty()
            || !self.fixtures(&rule.id).is_empty()
    }

    /// What tests a rule, in words.
    pub fn words(&self, rule: &Rule) -> String {
        let counted = |count, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            n => Some(format!("{n} {what}s")),
        };
        let vectors = counted(self.vectors(&rule.id).len(), "vector");
        let fixtures = counted(self.fixtures(&rule.id).len(), "fixture");
        let tests: Vec<String> = self
            .cases(&rule.id)
            .iter()
            .cloned()
            .chain(vectors)
            .chain(fixtures)
            .collect();
        match (tests.is_empty(), self.reason(&rule.id)) {
            (false, _) => tests.join(", "),
            (true, Some(reason)) => format!("not tested: {reason}"),
            (true, None) => "not tested".to_owned(),
        }
    }
}
