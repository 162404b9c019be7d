//! Holds specification, cases, vectors and faults against each other.

use std::collections::{BTreeMap, BTreeSet};

use faas_conformance::case::{Case, Kind, untested};
use faas_conformance::coverage::Coverage;
use faas_conformance::fault::{PROBE, RUNTIME};
use faas_conformance::rule::rules;
use faas_conformance::vector::vectors;

use crate::faults::faults;

fn cases() -> Vec<Case> {
    Case::embedded().expect("every case can be read")
}

fn coverage() -> Coverage {
    Coverage::of(&cases()).expect("cases, vectors and untested.toml can be read")
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
    let coverage = coverage();
    let open = rules()
        .values()
        .filter(|rule| !coverage.tests(rule) && coverage.reason(&rule.id).is_none());
    none(
        "rules without a case, a vector or a row in untested.toml",
        open.map(|rule| rule.id.clone()).collect(),
    );
}

#[test]
fn no_tested_rule_is_called_untested() {
    let coverage = coverage();
    let both = rules()
        .values()
        .filter(|rule| coverage.tests(rule) && coverage.reason(&rule.id).is_some());
    none(
        "rows of untested.toml for rules that are tested",
        both.map(|rule| rule.id.clone()).collect(),
    );
    let unknown = untested()
        .expect("it can be read")
        .into_keys()
        .filter(|id| !rules().contains_key(id));
    none(
        "rows of untested.toml for rules that do not exist",
        unknown.collect(),
    );
}

#[test]
fn cases_and_vectors_name_existing_rules() {
    let of_cases = cases()
        .into_iter()
        .flat_map(|c| c.requires.into_iter().map(move |rule| (rule, c.id.clone())));
    let vectors = vectors().expect("every vector can be read");
    let of_vectors = vectors
        .iter()
        .flat_map(|v| v.rules().into_iter().map(move |rule| (rule, v.id.clone())));
    let unknown = of_cases
        .chain(of_vectors)
        .filter(|(rule, _)| !rules().contains_key(rule));
    none(
        "rules that do not exist",
        unknown
            .map(|(rule, by)| format!("{rule}, named by {by}"))
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
    let of_runtime = RUNTIME.iter().map(|fault| fault.name.to_owned());
    let of_probe = faults().into_iter().map(|fault| fault.name);
    let known: BTreeSet<String> = of_probe.chain(of_runtime).collect();
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
        "faults that neither the probe nor the runtime has",
        named.difference(&known).cloned().collect(),
    );
    none(
        "faults that no case names",
        known.difference(&named).cloned().collect(),
    );
}

#[test]
fn cases_name_faults_of_their_subject() {
    let of = |list: &'static [faas_conformance::fault::Fault]| -> BTreeSet<&str> {
        list.iter().map(|fault| fault.name).collect()
    };
    let (probe, runtime) = (of(PROBE), of(RUNTIME));
    none(
        "faults of both the probe and the runtime",
        probe
            .intersection(&runtime)
            .map(|name| (*name).to_owned())
            .collect(),
    );
    let wrong = cases().into_iter().filter(|case| {
        let own = if case.subject == Kind::Runtime {
            &runtime
        } else {
            &probe
        };
        !case.faults.iter().all(|name| own.contains(name.as_str()))
    });
    none(
        "cases with faults of another subject",
        wrong.map(|case| case.id).collect(),
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
