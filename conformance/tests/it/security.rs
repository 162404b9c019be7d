//! SECURITY.md's tables of threats: what they name exists, and shows what they say.

use std::collections::BTreeMap;
use std::path::Path;

use faas_conformance::case::Case;
use faas_conformance::rule::rules;

/// A row: rules, and what covers them.
struct Threat {
    text: String,
    rules: Vec<String>,
    covered: Vec<String>,
}

fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is in a repository")
}

fn threats() -> Vec<Threat> {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md");
    let (_, from) = page
        .split_once("\n## Threats\n")
        .expect("a section of threats");
    let (section, _) = from.split_once("\n## ").expect("a section after it");
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| threat |"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [text, rules, covered] = cells[..] else {
            panic!("expected three cells, got {}: {line}", cells.len());
        };
        Threat {
            text: text.trim().to_owned(),
            rules: quoted(rules),
            covered: quoted(covered),
        }
    })
    .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_threat_is_covered_by_what_tests_its_rules() {
    let cases = Case::embedded().expect("every case can be read");
    let cases: BTreeMap<String, Vec<String>> = cases
        .into_iter()
        .map(|case| (case.id, case.requires))
        .collect();
    let threats = threats();
    assert!(
        threats.len() > 40,
        "the tables were not found: {} rows",
        threats.len()
    );
    let mut wrong = Vec::new();
    for Threat {
        text,
        rules: named,
        covered,
    } in &threats
    {
        for rule in named.iter().filter(|rule| !rules().contains_key(*rule)) {
            wrong.push(format!("{text}: there is no rule `{rule}`"));
        }
        let (files, named_cases): (Vec<_>, Vec<_>) =
            covered.iter().partition(|name| name.contains('.'));
        for file in files.iter().filter(|file| !root().join(file).is_file()) {
            wrong.push(format!("{text}: there is no file `{file}`"));
        }
        for case in &named_cases {
            match cases.get(*case) {
                None => wrong.push(format!("{text}: there is no case `{case}`")),
                Some(required) if !required.iter().any(|rule| named.contains(rule)) => {
                    wrong.push(format!("{text}: `{case}` tests none of its rules"));
                }
                Some(_) => {}
            }
        }
        let shown = |rule: &String| {
            named_cases
                .iter()
                .any(|case| cases.get(*case).is_some_and(|r| r.contains(rule)))
        };
        for rule in named.iter().filter(|rule| files.is_empty() && !shown(rule)) {
            wrong.push(format!("{text}: nothing named shows `{rule}`"));
        }
    }
    assert!(wrong.is_empty(), "SECURITY.md:\n  {}", wrong.join("\n  "));
}
