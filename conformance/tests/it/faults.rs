//! Every fault of the reference probe is caught by exactly the cases that name it.
//!
//! Every fault has to be caught by each case that names it. That no other case fails is asked of one
//! in eight of the others, a different eighth for each fault; `FAULTS=all` asks all of them, as CI
//! does. `FAULT=name` runs one fault against all cases, `FAULTS_SCALE=2` gives slow machines more time. `UPDATE=1` writes into each
//! case the faults that it catches; read what it wrote, for a case may catch what it should not.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use faas_conformance::case::{Case, Kind};
use faas_conformance::event::Events;
use faas_conformance::report::model::{CaseResult, Verdict};
use faas_conformance::runner::{self, Settings};
use faas_conformance::subject::launch::Stage;
use faas_conformance::subject::sweep;
use faas_conformance::target::Claim;
use libfaas::{Encoding, Mode};

const PROBE: &str = env!("CARGO_BIN_EXE_faas-probe");
const SEED: u64 = 1;

/// A way in which the probe can misbehave, as `faas-probe --list-faults` says.
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) modes: Vec<Mode>,
    pub(crate) encodings: Vec<Encoding>,
}

pub(crate) fn faults() -> Vec<Fault> {
    let list = Command::new(PROBE)
        .arg("--list-faults")
        .output()
        .expect("the probe starts");
    let list = String::from_utf8(list.stdout).expect("names are text");
    let fault = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, modes, encodings, _what] = fields[..] else {
            panic!("four fields, not {line:?}")
        };
        Fault {
            name: name.to_owned(),
            modes: modes
                .split(',')
                .map(|m| m.parse().expect("a mode"))
                .collect(),
            encodings: encodings
                .split(',')
                .map(|e| e.parse().expect("an encoding"))
                .collect(),
        }
    };
    list.lines().map(fault).collect()
}

fn claim(fault: Option<&str>, modes: Vec<Mode>, encodings: Vec<Encoding>) -> Claim {
    Claim {
        stages: vec![stage(fault)],
        name: "probe".to_owned(),
        version: None,
        modes,
        encodings,
        features: BTreeSet::from(["chunks".to_owned()]),
        concurrency: 4,
        sample: Events::echo_sample(SEED),
        options: Vec::new(),
        command: Vec::new(),
    }
}

/// A pipeline of three, the last of which has the fault: for the cases that are about pipelines.
fn pipeline(fault: Option<&str>) -> Claim {
    Claim {
        stages: vec![stage(None), stage(None), stage(fault)],
        ..claim(None, vec![Mode::Stream], vec![Encoding::Json])
    }
}

fn stage(fault: Option<&str>) -> Stage {
    let mut argv = vec![PROBE.to_owned()];
    argv.extend(
        fault
            .into_iter()
            .flat_map(|name| ["--fault".to_owned(), name.to_owned()]),
    );
    Stage::resolve(argv, PathBuf::from("."), BTreeMap::new()).expect("it is built")
}

/// The cases that are about pipelines, and those without which nothing is judged.
fn of_pipelines(cases: &[Case]) -> Vec<Case> {
    cases
        .iter()
        .filter(|case| {
            case.needs.pipeline == Some(true) || case.gate && case.subject == Kind::Function
        })
        .cloned()
        .collect()
}

/// What the time-outs are multiplied with: where faults are run most of them are waited for, so
/// they are short, and what fails without being expected to is looked at again with all its time.
const HASTE: f64 = 0.3;
const PATIENCE: f64 = 2.0;

fn judge(claim: &Claim, cases: &[Case], jobs: usize, scale: f64) -> Vec<CaseResult> {
    sweep::become_reaper();
    let factor = std::env::var("FAULTS_SCALE").map_or(1.0, |s| s.parse::<f64>().expect("a factor"));
    let settings = Settings {
        kind: Kind::Sdk,
        jobs,
        scale: scale * factor,
        seed: SEED,
        selection: Default::default(),
        known: Default::default(),
    };
    let (to, _from) = mpsc::channel();
    runner::run(claim, cases, &settings, &to).results
}

#[test]
fn the_probe_without_a_fault_passes_everything() {
    let cases = Case::embedded().expect("every case can be read");
    let all = claim(None, Mode::ALL.to_vec(), Encoding::ALL.to_vec());
    let results = judge(&all, &cases, 4, PATIENCE).into_iter();
    // Two probes in a row are a function, but no probe: the second acts on what the first gives.
    let for_functions: Vec<Case> = cases
        .iter()
        .filter(|case| case.subject == Kind::Function)
        .cloned()
        .collect();
    let wrong: Vec<String> = results
        .chain(judge(&pipeline(None), &for_functions, 4, PATIENCE))
        .filter(|r| !matches!(r.verdict, Verdict::Pass | Verdict::NotApplicable))
        .map(|r| format!("{}: {}", r.id, r.actual.or(r.reason).unwrap_or_default()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cases that fail where the probe has the fault, in JSON or, if the fault or the cases that
/// name it are of another encoding, in those.
fn caught_by(fault: &Fault, cases: &[Case], scale: f64) -> BTreeSet<String> {
    let mut encodings: Vec<Encoding> = Vec::new();
    if fault.encodings.contains(&Encoding::Json) {
        encodings.push(Encoding::Json);
    }
    for encoding in fault
        .encodings
        .iter()
        .filter(|e| !encodings.contains(e))
        .cloned()
        .collect::<Vec<_>>()
    {
        let only_here = |case: &&Case| {
            case.encodings
                .as_ref()
                .is_some_and(|e| !e.contains(&Encoding::Json) && e.contains(&encoding))
        };
        if encodings.is_empty() || naming(fault, cases).any(|case| only_here(&case)) {
            encodings.push(encoding);
        }
    }
    let claim = claim(Some(&fault.name), fault.modes.clone(), encodings);
    let mut results = judge(&claim, cases, 2, scale);
    if fault.modes.contains(&Mode::Stream) {
        results.extend(judge(
            &pipeline(Some(&fault.name)),
            &of_pipelines(cases),
            2,
            scale,
        ));
    }
    results
        .into_iter()
        .filter(|r| matches!(r.verdict, Verdict::Fail | Verdict::Warn | Verdict::Error))
        .map(|r| r.case().to_owned())
        .collect()
}

/// Whether a case is among the eighth that is asked for a fault that it does not name.
fn is_sampled(fault: &Fault, case: &Case) -> bool {
    // The same in every run: the hasher's keys are fixed.
    let mut hasher = DefaultHasher::new();
    (&fault.name, &case.id).hash(&mut hasher);
    hasher.finish().is_multiple_of(8)
}

fn naming<'a>(fault: &'a Fault, cases: &'a [Case]) -> impl Iterator<Item = &'a Case> {
    cases
        .iter()
        .filter(|case| case.faults.contains(&fault.name))
}

#[test]
fn every_fault_is_caught_by_exactly_the_cases_that_name_it() {
    let cases = Case::embedded().expect("every case can be read");
    let only = std::env::var("FAULT").ok();
    let faults: Vec<Fault> = faults()
        .into_iter()
        .filter(|f| only.as_ref().is_none_or(|o| *o == f.name))
        .collect();
    let update = std::env::var_os("UPDATE").is_some();
    let everything = update || only.is_some() || std::env::var("FAULTS").is_ok_and(|f| f == "all");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let catches: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::default();
    let work = || {
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let named: BTreeSet<String> =
                naming(fault, &cases).map(|case| case.id.clone()).collect();
            let asked: Vec<Case> = cases
                .iter()
                .filter(|case| {
                    everything || case.gate || named.contains(&case.id) || is_sampled(fault, case)
                })
                .cloned()
                .collect();
            let mut caught = caught_by(fault, &asked, HASTE);
            let surplus: Vec<Case> = cases
                .iter()
                .filter(|case| caught.contains(&case.id) && !named.contains(&case.id))
                .cloned()
                .collect();
            if !surplus.is_empty() {
                let again = caught_by(fault, &surplus, PATIENCE);
                caught.retain(|id| named.contains(id) || again.contains(id));
            }
            let missed = named
                .difference(&caught)
                .map(|id| format!("{}: {id} names it and passes", fault.name));
            let also = caught
                .difference(&named)
                .map(|id| format!("{}: {id} fails and does not name it", fault.name));
            wrong
                .lock()
                .expect("no holder panics")
                .extend(missed.chain(also));
            let mut catches = catches.lock().expect("no holder panics");
            for id in caught {
                catches.entry(id).or_default().insert(fault.name.clone());
            }
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(work))));
    if update && only.is_none() {
        let catches = catches.into_inner().expect("no holder panics");
        return cases.iter().for_each(|case| {
            write_faults(&case.id, catches.get(&case.id).unwrap_or(&BTreeSet::new()))
        });
    }
    let mut wrong = wrong.into_inner().expect("no holder panics");
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Replaces the list of a case's file.
fn write_faults(id: &str, faults: &BTreeSet<String>) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(format!("{id}.toml"));
    let text = std::fs::read_to_string(&file).expect("the case is a file");
    let begin = text
        .find("\nfaults = [")
        .expect("every case has a list of faults")
        + 1;
    let end = begin + text[begin..].find(']').expect("which ends") + 1;
    let names: Vec<String> = faults.iter().map(|name| format!("{name:?}")).collect();
    let list = match names.join(", ") {
        line if line.len() <= 120 => format!("faults = [{line}]"),
        _ => format!(
            "faults = [\n{}]",
            names
                .iter()
                .map(|name| format!("  {name},\n"))
                .collect::<String>()
        ),
    };
    std::fs::write(&file, format!("{}{list}{}", &text[..begin], &text[end..]))
        .expect("the case can be written");
}
