//! Holds specification, cases, vectors and faults against each other.

use std::collections::{BTreeMap, BTreeSet};

use faas_conformance::case::{Case, Kind, untested};
use faas_conformance::rule::rules;
use faas_conformance::vector::vectors;

use crate::faults::faults;

fn cases() -> Vec<Case> {
    Case::embedded().expect("every case can be read")
}

/// Every rule that a case or a vector tests.
fn tested() -> BTreeMap<String, Vec<String>> {
    let mut tested: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases() {
        for rule in case.requires {
            tested.entry(rule).or_default().push(case.id.clone());
        }
    }
    for vector in vectors().expect("every vector can be read") {
        for rule in vector.rules() {
            tested.entry(rule).or_default().push(vector.id.clone());
        }
    }
    tested
}

#[track_caller]
fn none(what: &str, found: BTreeSet<String>) {
    assert!(
        found.is_empty(),
        "{what}:\n  {}",
        found.into_iter().collect::<Vec<_>>().join("\n  ")
    );
}

#[test]
fn every_rule_is_tested_or_has_a_reason() {
    let (tested, untested) = (tested(), untested().expect("untested.toml can be read"));
    let open = rules()
        .keys()
        .filter(|id| !tested.contains_key(*id) && !untested.contains_key(*id));
    none(
        "rules without a case, a vector or a row in untested.toml",
        open.cloned().collect(),
    );
}

#[test]
fn no_tested_rule_is_called_untested() {
    let (tested, untested) = (tested(), untested().expect("untested.toml can be read"));
    let both = untested.keys().filter(|id| tested.contains_key(*id));
    none(
        "rows of untested.toml for rules that are tested",
        both.cloned().collect(),
    );
    let unknown = untested.keys().filter(|id| !rules().contains_key(*id));
    none(
        "rows of untested.toml for rules that do not exist",
        unknown.cloned().collect(),
    );
}

#[test]
fn cases_and_vectors_name_existing_rules() {
    let unknown = tested()
        .into_iter()
        .filter(|(rule, _)| !rules().contains_key(rule));
    none(
        "rules that do not exist",
        unknown
            .map(|(rule, by)| format!("{rule}, named by {}", by.join(", ")))
            .collect(),
    );
}

#[test]
fn cases_stand_on_the_page_of_one_of_their_rules() {
    let elsewhere = cases().into_iter().filter(|case| {
        let page = case.id.split('/').next().unwrap_or_default();
        !case
            .requires
            .iter()
            .any(|rule| rules().get(rule).is_some_and(|rule| rule.page == page))
    });
    none(
        "cases whose folder is the page of none of their rules",
        elsewhere.map(|case| case.id).collect(),
    );
}

#[test]
fn cases_test_the_roles_that_their_subjects_play() {
    // What binds only a library can't be asked of every function.
    let wrong = cases().into_iter().filter(|case| {
        let roles: BTreeSet<&str> = case
            .requires
            .iter()
            .filter_map(|id| rules().get(id))
            .map(|rule| rule.role.as_str())
            .collect();
        case.subject == Kind::Function && roles.iter().all(|role| *role == "library")
    });
    none(
        "cases for any function whose rules bind only libraries",
        wrong.map(|case| case.id).collect(),
    );
}

#[test]
fn cases_name_faults_and_faults_are_named() {
    let known: BTreeSet<String> = faults().into_iter().map(|fault| fault.name).collect();
    let mut named = BTreeSet::new();
    for case in cases() {
        assert!(
            !case.faults.is_empty(),
            "{} names no fault: nothing shows that it can fail",
            case.id
        );
        named.extend(case.faults);
    }
    none(
        "faults that the probe does not have",
        named.difference(&known).cloned().collect(),
    );
    none(
        "faults that no case names",
        known.difference(&named).cloned().collect(),
    );
}

#[test]
fn rule_identifiers_are_unique() {
    let mut pages = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    pages.push("../spec");
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for page in std::fs::read_dir(pages).expect("spec/ is there").flatten() {
        let text = std::fs::read_to_string(page.path()).expect("a page can be read");
        let name = page.file_name().to_string_lossy().into_owned();
        for rule in faas_conformance::rule::of_page(&name, &text) {
            let before = seen.insert(rule.id.clone(), name.clone());
            assert_eq!(
                before, None,
                "the rule {} stands on two pages, one of them {name}",
                rule.id
            );
            assert!(
                !rule.role.is_empty(),
                "the rule {} names no role before its keyword: {}",
                rule.id,
                rule.sentence
            );
        }
    }
}
