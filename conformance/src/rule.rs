//! The rules, read from the specification's own pages: a level-6 heading is a rule's identifier,
//! the paragraph below it its sentence. Role and level come from the sentence, never from here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use serde::Serialize;

use crate::embedded;

/// One normative rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The heading, for example `stream-end-once`.
    pub id: String,
    /// The page it stands on, for example `messages`.
    pub page: String,
    /// The sentence.
    pub sentence: String,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds, as the sentence says: `function`, `host`, `library`, …
    pub role: String,
}

/// RFC 2119's keywords, by what breaking them means for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    /// A choice; can't be broken.
    #[serde(rename = "MAY")]
    May,
    /// Breaking it is a warning.
    #[serde(rename = "SHOULD")]
    Should,
    /// Breaking it is a failure.
    #[serde(rename = "MUST")]
    Must,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::May => "MAY",
            Level::Should => "SHOULD",
            Level::Must => "MUST",
        })
    }
}

/// The roles of the specification, as its sentences name them.
const ROLES: &[&str] = &[
    "function", "host", "library", "runtime", "sender", "receiver", "relay", "producer", "adapter",
    "suite", "driver", "codec",
];

/// Every rule of the specification by its identifier.
pub fn rules() -> &'static BTreeMap<String, Rule> {
    static RULES: OnceLock<BTreeMap<String, Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        embedded::SPEC
            .iter()
            .flat_map(|(page, text)| of_page(page, text))
            .map(|rule| (rule.id.clone(), rule))
            .collect()
    })
}

/// The rules of one page, in its order. Repeated identifiers stay, for the tidy test to find.
pub fn of_page(page: &str, text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut heading: Option<String> = None;
    let mut sentence: Option<String> = None;
    let mut in_heading = false;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading {
                level: HeadingLevel::H6,
                ..
            }) => {
                heading = Some(String::new());
                in_heading = true;
            }
            Event::End(TagEnd::Heading(HeadingLevel::H6)) => in_heading = false,
            Event::Start(Tag::Paragraph) if heading.is_some() => sentence = Some(String::new()),
            Event::End(TagEnd::Paragraph) => {
                if let (Some(id), Some(sentence)) = (heading.take(), sentence.take()) {
                    rules.push(rule(page, id, sentence));
                }
            }
            Event::Text(t) | Event::Code(t) => {
                let target = if in_heading {
                    heading.as_mut()
                } else {
                    sentence.as_mut()
                };
                if let Some(target) = target {
                    target.push_str(&t);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(sentence) = sentence.as_mut() {
                    sentence.push(' ');
                }
            }
            _ => {}
        }
    }
    rules
}

fn rule(page: &str, id: String, sentence: String) -> Rule {
    let keyword = ["MUST", "SHOULD", "MAY"]
        .into_iter()
        .filter_map(|k| sentence.find(k).map(|at| (at, k)))
        .min();
    let (before, level) = match keyword {
        Some((at, "MUST")) => (&sentence[..at], Level::Must),
        Some((at, "SHOULD")) => (&sentence[..at], Level::Should),
        Some((at, _)) => (&sentence[..at], Level::May),
        None => (sentence.as_str(), Level::May),
    };
    let role = before
        .split(|c: char| !c.is_ascii_alphabetic())
        .find_map(|word| ROLES.iter().find(|r| word.eq_ignore_ascii_case(r)))
        .copied()
        .unwrap_or("");
    Rule {
        role: role.to_owned(),
        page: page.to_owned(),
        id,
        level,
        sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heading_six_and_its_sentence_make_a_rule() {
        let text = "# Page\n\nProse MUST not count.\n\n###### a-rule\nA library that `x` SHOULD NOT\nstop.\n\nMore.\n";
        let rules = of_page("page", text);
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].id, "a-rule");
        assert_eq!(rules[0].sentence, "A library that x SHOULD NOT stop.");
        assert_eq!(
            (rules[0].level, rules[0].role.as_str()),
            (Level::Should, "library")
        );
    }
}
