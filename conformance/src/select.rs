//! `--filter`, `--skip` and `--profile`.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};

use crate::cli::RunOptions;
use crate::error::{Error, Result};

/// What can be selected: a case or a vector, by its identifier and the rules that it tests.
#[derive(Clone, Debug)]
pub struct Named {
    /// The identifier.
    pub id: String,
    /// The rules.
    pub rules: Vec<String>,
}

/// Which cases to run. Empty lists take everything.
#[derive(Debug, Default)]
pub struct Selection {
    filter: Vec<Pattern>,
    skip: Vec<Pattern>,
    profiles: Vec<String>,
}

#[derive(Debug)]
struct Pattern {
    name: String,
    /// What stands behind a `#`: the mode and encoding.
    profile: Option<String>,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Whole,
    /// Part of a name, if it has none of a glob's characters and is no whole name.
    Part,
    Glob(GlobMatcher),
}

impl Selection {
    /// Reads the options. A pattern that matches nothing is an error: it would silently run nothing, or everything.
    pub fn new(options: &RunOptions, all: &[Named]) -> Result<Selection> {
        let read = |texts: &[String]| {
            texts
                .iter()
                .map(|text| Pattern::new(text, all))
                .collect::<Result<_>>()
        };
        Ok(Selection {
            filter: read(&options.filter)?,
            skip: read(&options.skip)?,
            profiles: options.profile.clone(),
        })
    }

    /// Whether to run something in this mode and encoding, where it counts for these profiles.
    pub fn takes(&self, named: &Named, target: &str, profiles: &BTreeSet<String>) -> bool {
        let among = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(named, target));
        let profiled =
            self.profiles.is_empty() || self.profiles.iter().any(|p| profiles.contains(p));
        profiled && (self.filter.is_empty() || among(&self.filter)) && !among(&self.skip)
    }
}

impl Pattern {
    fn new(text: &str, all: &[Named]) -> Result<Pattern> {
        let (name, profile) = match text.split_once('#') {
            Some((name, profile)) => (name, Some(profile.to_owned())),
            None => (text, None),
        };
        let matcher = if all
            .iter()
            .any(|n| n.id == name || n.rules.iter().any(|r| r == name))
        {
            Matcher::Whole
        } else if name.contains(['*', '?', '[', '{']) {
            let glob = Glob::new(name).map_err(|e| {
                Error::usage(
                    format!("`{text}` is no glob: {e}"),
                    "quote what a shell would expand",
                )
            })?;
            Matcher::Glob(glob.compile_matcher())
        } else {
            Matcher::Part
        };
        let pattern = Pattern {
            name: name.to_owned(),
            profile,
            matcher,
        };
        if !all.iter().any(|named| pattern.matches_name(named)) {
            return Err(Error::usage(
                format!("`{text}` matches no case and no rule"),
                "`faas-conformance list` names them; a pattern is a whole name, a part of one, or a glob such as 'messages/*'",
            ));
        }
        Ok(pattern)
    }

    fn matches(&self, named: &Named, target: &str) -> bool {
        self.profile
            .as_ref()
            .is_none_or(|profile| profile == target)
            && self.matches_name(named)
    }

    fn matches_name(&self, named: &Named) -> bool {
        std::iter::once(&named.id)
            .chain(&named.rules)
            .any(|candidate| match &self.matcher {
                Matcher::Whole => *candidate == self.name,
                Matcher::Part => candidate.contains(&self.name),
                Matcher::Glob(glob) => glob.is_match(candidate),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pattern: &str) -> Vec<&'static str> {
        let all = [
            ("messages/end", "stream-end"),
            ("messages/end-once", "stream-end-once"),
            ("modes/one", "oneshot"),
        ];
        let all: Vec<Named> = all
            .iter()
            .map(|(id, rule)| Named {
                id: (*id).to_owned(),
                rules: vec![(*rule).to_owned()],
            })
            .collect();
        let pattern = Pattern::new(pattern, &all).expect("it matches something");
        let short = |named: &Named| {
            ["end", "end-once", "one"]
                .into_iter()
                .find(|s| named.id.ends_with(&format!("/{s}")))
        };
        all.iter()
            .filter(|n| pattern.matches(n, "stream/json"))
            .filter_map(short)
            .collect()
    }

    #[test]
    fn whole_names_parts_and_globs() {
        assert_eq!(
            taken("messages/end"),
            ["end"],
            "a whole name is no part of another"
        );
        assert_eq!(taken("stream-end-once"), ["end-once"], "a rule's name");
        assert_eq!(taken("messages"), ["end", "end-once"]);
        assert_eq!(taken("m*/*one"), ["one"]);
        assert_eq!(taken("messages/end#stream/json"), ["end"]);
        assert!(taken("messages/end#stream/capnp").is_empty());
        assert!(Pattern::new("nothing-like-it", &[]).is_err());
    }
}
