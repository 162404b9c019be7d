//! Holds the specification's pages to the form that spec/README.md gives them: what a rule looks like, where the
//! keywords of RFC 2119 may stand, and that no link leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

const KEYWORDS: [&str; 7] = [
    "MUST",
    "SHALL",
    "SHOULD",
    "MAY",
    "REQUIRED",
    "RECOMMENDED",
    "OPTIONAL",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")
}

/// The pages by name, with their text.
fn pages() -> BTreeMap<String, String> {
    fs::read_dir(folder())
        .expect("spec/ is there")
        .map(|entry| entry.expect("spec/ can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy();
            let text = fs::read_to_string(&path).expect("a page is UTF-8");
            (name.into_owned(), text)
        })
        .collect()
}

/// How often a keyword stands in a text; `MUST NOT` is one.
fn keywords(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| KEYWORDS.contains(word))
        .count()
}

/// What the tests below need of a page.
#[derive(Default)]
struct Page {
    /// Identifier and first paragraph of each rule.
    rules: Vec<(String, String)>,
    /// All other text, without code.
    prose: String,
    /// What a link may name after `#`.
    anchors: BTreeSet<String>,
    links: Vec<String>,
}

fn read(text: &str) -> Page {
    let mut page = Page::default();
    let (mut heading, mut level) = (None::<String>, HeadingLevel::H1);
    let mut sentence = None::<String>;
    let (mut rule, mut code) = (None::<String>, false);
    for event in Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level: of, .. }) => {
                (heading, level) = (Some(String::new()), of);
            }
            Event::End(TagEnd::Heading(_)) => {
                let title = heading.take().expect("a heading began");
                page.anchors.insert(anchor(&title));
                rule = (level == HeadingLevel::H6).then_some(title);
            }
            Event::Start(Tag::Paragraph) if rule.is_some() => sentence = Some(String::new()),
            Event::End(TagEnd::Paragraph) => {
                if let (Some(id), Some(sentence)) = (rule.take(), sentence.take()) {
                    page.rules.push((id, sentence));
                }
                page.prose.push('\n');
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
            Event::Text(text) if !code => match (&mut heading, &mut sentence) {
                (Some(to), _) | (None, Some(to)) => to.push_str(&text),
                (None, None) => page.prose.push_str(&text),
            },
            Event::Code(text) => match (&mut heading, &mut sentence) {
                (Some(to), _) | (None, Some(to)) => to.push_str(&text),
                // Code may quote a rule.
                (None, None) => {}
            },
            Event::SoftBreak => match &mut sentence {
                Some(to) => to.push('\n'),
                None => page.prose.push('\n'),
            },
            _ => {}
        }
    }
    page
}

/// The anchor that GitHub gives a heading.
fn anchor(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn a_rule_is_one_sentence_with_one_keyword() {
    let mut rules = 0;
    for (name, text) in pages() {
        for (id, sentence) in read(&text).rules {
            rules += 1;
            assert!(
                id.split('-').all(|part| !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())),
                "{name}: the identifier `{id}` is not in kebab-case"
            );
            assert_eq!(
                keywords(&sentence),
                1,
                "{name}: {id} has not exactly one keyword: {sentence}"
            );
            assert!(
                sentence.ends_with('.') && !sentence.contains('\n') && !sentence.contains(". "),
                "{name}: {id} is not one sentence on one line: {sentence}"
            );
        }
    }
    assert!(rules > 300, "only {rules} rules were found");
}

#[test]
fn keywords_stand_in_rules_only() {
    for (name, text) in pages() {
        for line in read(&text).prose.lines() {
            assert_eq!(
                keywords(line),
                0,
                "{name}: a keyword outside a rule: {line}"
            );
        }
    }
}

#[test]
fn no_link_leads_nowhere() {
    let pages: BTreeMap<String, Page> = pages()
        .into_iter()
        .map(|(name, text)| (name, read(&text)))
        .collect();
    let mut links = 0;
    for (name, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            links += 1;
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { name } else { file };
            match pages.get(target) {
                Some(to) => assert!(
                    part.is_empty() || to.anchors.contains(part),
                    "{name}: {link} names no heading"
                ),
                None => assert!(
                    folder().join(target).exists(),
                    "{name}: {link} names no file"
                ),
            }
        }
    }
    assert!(links > 100, "only {links} links were found");
}
