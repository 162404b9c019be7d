//! `--filter`, `--skip` and `--profile`.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};

use crate::case::Case;
use crate::error::{Error, Result};
use crate::target::Target;

/// Which cases to run. Empty lists take everything.
#[derive(Debug, Default)]
pub struct Selection {
    filter: Vec<Pattern>,
    skip: Vec<Pattern>,
    profiles: Vec<String>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    /// Part of a name, if it has none of a glob's characters and is no whole name.
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Exact,
    Part,
    Glob(GlobMatcher),
}

impl Selection {
    /// Reads the options. A pattern that matches no case is an error: it would silently run nothing, or everything.
    pub fn new(
        filter: &[String],
        skip: &[String],
        profiles: &[String],
        cases: &[Case],
    ) -> Result<Selection> {
        let selection = Selection {
            filter: filter
                .iter()
                .map(|text| Pattern::new(text, cases))
                .collect::<Result<_>>()?,
            skip: skip
                .iter()
                .map(|text| Pattern::new(text, cases))
                .collect::<Result<_>>()?,
            profiles: profiles.to_vec(),
        };
        for pattern in selection.filter.iter().chain(&selection.skip) {
            if !cases.iter().any(|case| pattern.matches(case, None)) {
                return Err(Error::usage(
                    format!("`{}` matches no case and no rule", pattern.text),
                    "`faas-conformance list` names them; a pattern is a whole name, a part of one, or a glob such as 'messages/*'",
                ));
            }
        }
        Ok(selection)
    }

    /// Whether to run a case on a target.
    pub fn takes(&self, case: &Case, target: Target, profiles: &BTreeSet<String>) -> bool {
        let among = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(case, Some(target)));
        let profiled =
            self.profiles.is_empty() || self.profiles.iter().any(|p| profiles.contains(p));
        profiled && (self.filter.is_empty() || among(&self.filter)) && !among(&self.skip)
    }

    /// Whether every case that applies is run.
    pub fn is_everything(&self) -> bool {
        self.filter.is_empty() && self.skip.is_empty() && self.profiles.is_empty()
    }
}

impl Pattern {
    fn new(text: &str, cases: &[Case]) -> Result<Pattern> {
        let name = text.split('#').next().unwrap_or(text);
        let matcher = if cases
            .iter()
            .any(|c| c.id == name || c.requires.iter().any(|r| r == name))
        {
            Matcher::Exact
        } else if name.contains(['*', '?', '[', '{']) {
            let glob = Glob::new(name).map_err(|e| {
                Error::usage(
                    format!("`{text}` is no glob: {e}"),
                    "see `faas-conformance help function`",
                )
            })?;
            Matcher::Glob(glob.compile_matcher())
        } else {
            Matcher::Part
        };
        Ok(Pattern {
            text: text.to_owned(),
            matcher,
        })
    }

    fn matches(&self, case: &Case, target: Option<Target>) -> bool {
        let (name, profile) = match self.text.split_once('#') {
            Some((name, profile)) => (name, Some(profile)),
            None => (self.text.as_str(), None),
        };
        let profiled = profile.is_none_or(|p| target.is_none_or(|t| t.profile() == p));
        let mut names = std::iter::once(&case.id).chain(&case.requires);
        profiled
            && names.any(|candidate| match &self.matcher {
                Matcher::Exact => candidate == name,
                Matcher::Part => candidate.contains(name),
                Matcher::Glob(glob) => glob.is_match(candidate),
            })
    }
}
