//! `adapter` judges one that knows the fixtures by heart, right and wrong.
//!
//! What it prints is judged without a process for each, since there are thousands; that the program
//! prints the same and the suite reads it so is asked of one case for each fault.

#[path = "../../oracle/answer.rs"]
mod answer;
#[path = "../../oracle/disfigure.rs"]
mod disfigure;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use faas_conformance::adapter::verdict::{self, Output};
use faas_conformance::fault::adapter::{Breaks, FAULTS};
use faas_conformance::fixture::{Fixture, Run, fixtures};
use serde_json::Value;

use self::answer::{Answer, Oracle};
use crate::suite::Suite;

const ORACLE: &str = env!("CARGO_BIN_EXE_faas-oracle");

/// The cases that fail, how many there are, and the suite's exit status.
fn judged(fault: &str, options: &[&str]) -> (Vec<Value>, usize, i32) {
    let fixed = ["adapter", "--seed", "1", "--format", "json"];
    let command = ["--", ORACLE, "{source}", "--fault", fault];
    let output = Suite::new().run(&[&fixed[..], options, &command].concat());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let results = json["results"].as_array().expect("results").clone();
    let judged = results.iter().filter(|r| r["verdict"] != "not-applicable");
    let all = judged.count();
    let failing = results.into_iter().filter(|r| r["verdict"] == "fail");
    (
        failing.collect(),
        all,
        output.status.code().expect("an exit status"),
    )
}

#[test]
fn who_knows_the_fixtures_passes() {
    let (failing, all, status) = judged("none", &[]);
    let seen: Vec<String> = failing
        .iter()
        .map(|r| format!("{}: {}", r["id"], r["actual"]))
        .collect();
    assert!(seen.is_empty(), "{}", seen.join("\n"));
    assert_eq!(status, 0);
    assert_eq!(all, fixtures().expect("they can be read").len());
}

/// A run: what the oracle knows of it, what is right to print, and how often the same came before.
struct Known<'a> {
    oracle: Oracle<'a>,
    right: Answer,
    before: usize,
}

impl<'a> Known<'a> {
    fn of(runs: &'a [Run<'a>]) -> Vec<Known<'a>> {
        let known = runs.iter().enumerate().map(|(nth, run)| {
            let is_same = |other: &&Run<'_>| other.fixture.payload == run.fixture.payload;
            let oracle = Oracle::new(&run.fixture);
            let right = oracle.answer("none", 0);
            Known {
                oracle,
                right,
                before: runs[..nth].iter().filter(is_same).count(),
            }
        });
        known.collect()
    }
}

/// Whether the suite sees the fault by this fixture.
fn sees(fixture: &Fixture, runs: &[Known<'_>], fault: &str) -> bool {
    let answers = runs.iter();
    let answers: Vec<Answer> = answers
        .map(|run| run.oracle.answer(fault, run.before))
        .collect();
    let mut pairs = answers.iter().zip(runs);
    if pairs.all(|(answer, run)| *answer == run.right) {
        return false;
    }
    let mut answers = answers.into_iter();
    let run = |_: &Fixture| {
        let answer = answers.next().expect("an answer for each run");
        Ok::<_, Infallible>(Output {
            stdout: answer.stdout.into_bytes(),
            stderr: answer.stderr,
            exit: Some(answer.exit.into()),
            ended: format!("exited with status {}", answer.exit),
        })
    };
    verdict::of_runs(fixture, run)
        .unwrap_or_else(|never| match never {})
        .is_some()
}

/// The fixtures, and for each fault by its name those that see it.
fn all() -> &'static (Vec<Fixture>, Seen) {
    static ALL: OnceLock<(Vec<Fixture>, Seen)> = OnceLock::new();
    ALL.get_or_init(|| {
        let fixtures = fixtures().expect("they can be read");
        let seen = seen(&fixtures);
        (fixtures, seen)
    })
}

type Seen = BTreeSet<(&'static str, usize)>;

fn seen(fixtures: &[Fixture]) -> Seen {
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Seen::new()));
    let work = || {
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(fixture) = fixtures.get(nth) else {
                return;
            };
            let runs = fixture.runs();
            let known = Known::of(&runs);
            let by = FAULTS
                .iter()
                .filter(|fault| sees(fixture, &known, fault.name))
                .map(|fault| (fault.name, nth));
            let by: Vec<_> = by.collect();
            seen.lock().expect("nobody panicked").extend(by);
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    seen.into_inner().expect("nobody panicked")
}

#[test]
fn every_fault_is_seen_for_its_rule_and_every_rule_of_a_case_by_a_fault() {
    let (fixtures, seen) = all();
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let cases: Vec<&Fixture> = seen
            .iter()
            .filter(|(name, _)| *name == fault.name)
            .map(|(_, nth)| &fixtures[*nth])
            .collect();
        let unseen = match fault.breaks {
            Breaks::Rules(rules) => rules
                .iter()
                .filter(|rule| {
                    !cases
                        .iter()
                        .any(|case| case.rules.iter().any(|r| r == *rule))
                })
                .map(|rule| format!("{} is seen by no case of {rule}", fault.name))
                .collect(),
            Breaks::Source if cases.is_empty() => vec![format!("{} is not seen", fault.name)],
            Breaks::Source => Vec::new(),
        };
        wrong.extend(unseen);
        let other = cases.iter().filter(|case| {
            let own = case.own_rule();
            !case.rules.iter().any(|rule| fault.breaks(rule, &own))
        });
        wrong.extend(other.map(|case| {
            format!(
                "{} is seen by {}, which tests only {:?}",
                fault.name, case.id, case.rules
            )
        }));
    }
    for (nth, case) in fixtures.iter().enumerate() {
        if case.rules.is_empty() {
            wrong.push(format!("{} tests no rule", case.id));
        }
        let own = case.own_rule();
        let can_fail = |rule: &&String| {
            let mut faults = FAULTS.iter().filter(|fault| fault.breaks(rule, &own));
            !faults.any(|fault| seen.contains(&(fault.name, nth)))
        };
        let vain = case.rules.iter().filter(can_fail);
        wrong.extend(vain.map(|rule| format!("{} can't fail for {rule}", case.id)));
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}

#[test]
fn what_the_program_prints_is_judged_alike() {
    let (fixtures, seen) = all();
    for fault in FAULTS {
        let case = seen.iter().find(|(name, _)| *name == fault.name);
        let case = &fixtures[case.expect("every fault is seen").1];
        let (failing, all, status) = judged(fault.name, &["--filter", &case.id]);
        assert!(all > 0, "{}", case.id);
        let failed = failing
            .iter()
            .any(|result| result["id"] == case.id.as_str());
        assert!(failed && status == 1, "{} by {}", fault.name, case.id);
    }
}

#[test]
fn a_crash_is_no_refusal() {
    let (failing, all, status) = judged("crashes", &["--source", "aws.s3"]);
    assert_eq!((failing.len(), status), (all, 1));
    for result in failing {
        let actual = result["actual"].as_str().expect("text");
        assert!(actual.contains("SIGABRT"), "{result}");
    }
}

#[test]
fn silence_is_not_waited_for_without_end() {
    let options = ["--filter", "aws.s3/test-event", "--timeout-scale", "0.1"];
    let (failing, all, status) = judged("is-silent", &options);
    assert_eq!((failing.len(), all, status), (1, 1, 1));
    let actual = failing[0]["actual"].as_str().expect("text");
    assert!(actual.contains("was still running after"), "{actual}");
}
