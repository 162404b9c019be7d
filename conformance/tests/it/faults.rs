//! Every fault of the reference probe is caught by exactly the cases that name it.
//!
//! Each fault has to be caught by every case that names it. That no other case fails is asked of one in
//! eight of the others, a different eighth for each fault; `FAULTS=all` asks all of them, as CI does.
//! `FAULT=name` runs one fault against all cases, `FAULTS_SCALE=2` gives slow machines more time.
//! `UPDATE=1` writes into each case the faults that it catches; read what it wrote, for a case may
//! catch what it should not.
//!
//! The suite is run as a program of its own: it starts thousands of processes, and a small program
//! does that at a fraction of what it would cost this one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use faas_conformance::case::{Case, Kind};
use faas_conformance::report::model::{CaseResult, Report, Verdict};
use libfaas::{Encoding, Mode};
use serde_json::json;

use crate::suite::Suite;

const PROBE: &str = env!("CARGO_BIN_EXE_faas-probe");

/// What the time-outs are multiplied with: where faults are run most of them are waited for, so
/// they are short, and what fails without being expected to is looked at again with all its time.
const HASTE: f64 = 0.3;
const PATIENCE: f64 = 2.0;

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

/// The probe as one process, in these modes and encodings.
fn probe(fault: Option<&str>, modes: &[Mode], encodings: &[Encoding]) -> serde_json::Value {
    json!({
        "fsi": "1.0",
        "name": "probe",
        "command": command(fault),
        "modes": modes.iter().map(|m| m.name()).collect::<Vec<_>>(),
        "encodings": encodings.iter().map(|e| e.name()).collect::<Vec<_>>(),
        "features": ["chunks"],
        "concurrency": 4,
        "samples": ["s.json"],
    })
}

/// A pipeline of three, the last of which has the fault: for the cases that are about pipelines.
/// Two probes in a row are a function, but no probe: the second acts on what the first gives.
fn pipeline(fault: Option<&str>) -> serde_json::Value {
    let mut manifest = probe(None, &[Mode::Stream], &[Encoding::Json]);
    let members = manifest.as_object_mut().expect("it is one");
    members.remove("command");
    let stages = [command(None), command(None), command(fault)];
    members.insert(
        "pipeline".to_owned(),
        stages.iter().map(|c| json!({ "command": c })).collect(),
    );
    manifest
}

fn command(fault: Option<&str>) -> Vec<String> {
    let options = fault
        .into_iter()
        .flat_map(|name| ["--fault".to_owned(), name.to_owned()]);
    std::iter::once(PROBE.to_owned()).chain(options).collect()
}

/// Judges what a manifest names by these cases, or by all.
fn judge(
    kind: &str,
    manifest: &serde_json::Value,
    cases: Option<&[&Case]>,
    jobs: u8,
    scale: f64,
) -> Vec<CaseResult> {
    let suite = Suite::new();
    suite.file("probe.json", &manifest.to_string());
    let factor = std::env::var("FAULTS_SCALE").map_or(1.0, |s| s.parse::<f64>().expect("a factor"));
    let mut run = suite.command(&[
        kind,
        "--manifest",
        "probe.json",
        "--format",
        "json",
        "--seed",
        "1",
    ]);
    run.args([
        "--jobs",
        &jobs.to_string(),
        "--timeout-scale",
        &(scale * factor).to_string(),
    ]);
    for case in cases.into_iter().flatten() {
        run.args(["--filter", &case.id]);
    }
    let output = run
        .stderr(Stdio::piped())
        .output()
        .expect("the suite starts");
    let report: Result<Report, _> = serde_json::from_slice(&output.stdout);
    report
        .unwrap_or_else(|e| {
            panic!(
                "no report: {e}\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
        .results
}

#[test]
fn the_probe_without_a_fault_passes_everything() {
    let all = judge(
        "sdk",
        &probe(None, Mode::ALL, Encoding::ALL),
        None,
        4,
        PATIENCE,
    );
    let of_three = judge("function", &pipeline(None), None, 4, PATIENCE);
    let wrong: Vec<String> = all
        .into_iter()
        .chain(of_three)
        .filter(|r| !matches!(r.verdict, Verdict::Pass | Verdict::NotApplicable))
        .map(|r| format!("{}: {}", r.id, r.actual.or(r.reason).unwrap_or_default()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Which of the cases fail where the probe has the fault, in JSON or, if the fault or the cases that
/// name it are of another encoding, in those.
fn caught_by(fault: &Fault, cases: &[&Case], scale: f64) -> BTreeSet<String> {
    let mut encodings: Vec<Encoding> = Vec::new();
    if fault.encodings.contains(&Encoding::Json) {
        encodings.push(Encoding::Json);
    }
    for encoding in &fault.encodings {
        let only_here = |case: &&Case| {
            let named = case.faults.contains(&fault.name);
            let elsewhere =
                |e: &Vec<Encoding>| !e.contains(&Encoding::Json) && e.contains(encoding);
            named && case.encodings.as_ref().is_some_and(elsewhere)
        };
        if !encodings.contains(encoding)
            && (encodings.is_empty() || cases.iter().copied().any(|case| only_here(&case)))
        {
            encodings.push(*encoding);
        }
    }
    let mut results = judge(
        "sdk",
        &probe(Some(&fault.name), &fault.modes, &encodings),
        Some(cases),
        2,
        scale,
    );
    let of_pipelines: Vec<&Case> = cases
        .iter()
        .copied()
        .filter(|case| is_for_pipelines(case))
        .collect();
    if fault.modes.contains(&Mode::Stream) && !of_pipelines.is_empty() {
        results.extend(judge(
            "function",
            &pipeline(Some(&fault.name)),
            Some(&of_pipelines),
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

/// Cases that are about pipelines, and those without which nothing is judged.
fn is_for_pipelines(case: &Case) -> bool {
    case.subject == Kind::Function
        && (case.needs.pipeline == Some(true) || case.gate && case.modes.contains(&Mode::Stream))
}

/// Whether a case is among the eighth that is asked for a fault that it does not name.
fn is_sampled(fault: &Fault, case: &Case) -> bool {
    // The same in every run: the hasher's keys are fixed.
    let mut hasher = DefaultHasher::new();
    (&fault.name, &case.id).hash(&mut hasher);
    hasher.finish().is_multiple_of(8)
}

#[test]
fn every_fault_is_caught_by_exactly_the_cases_that_name_it() {
    // Those of runtimes are the reference runtime's business.
    let mut cases = Case::embedded().expect("every case can be read");
    cases.retain(|case| case.subject != Kind::Runtime);
    let only = std::env::var("FAULT").ok();
    let faults: Vec<Fault> = faults()
        .into_iter()
        .filter(|f| only.as_ref().is_none_or(|o| *o == f.name))
        .collect();
    let update = std::env::var_os("UPDATE").is_some();
    let everything = update || only.is_some() || std::env::var("FAULTS").is_ok_and(|f| f == "all");
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let names_it = |case: &&Case| case.faults.contains(&fault.name);
            let asked: Vec<&Case> = cases
                .iter()
                .filter(|case| everything || case.gate || names_it(case) || is_sampled(fault, case))
                .collect();
            let named: BTreeSet<String> = cases
                .iter()
                .filter(names_it)
                .map(|case| case.id.clone())
                .collect();
            let mut caught = caught_by(fault, &asked, HASTE);
            // What haste may have brought about, either way, is looked at again with all its time.
            let doubtful: Vec<&Case> = asked
                .into_iter()
                .filter(|case| caught.contains(&case.id) != named.contains(&case.id))
                .collect();
            if !doubtful.is_empty() {
                let again = caught_by(fault, &doubtful, PATIENCE);
                caught.retain(|id| named.contains(id));
                caught.extend(again);
            }
            found
                .lock()
                .expect("no holder panics")
                .push((&fault.name, named, caught));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let found = found.into_inner().expect("no holder panics");
    if update && only.is_none() {
        let mut catches: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (fault, _, caught) in &found {
            for id in caught {
                catches.entry(id).or_default().insert((*fault).clone());
            }
        }
        for case in &cases {
            write_faults(
                &case.id,
                catches.get(case.id.as_str()).unwrap_or(&BTreeSet::new()),
            );
        }
        return;
    }
    let mut wrong: Vec<String> = Vec::new();
    for (fault, named, caught) in &found {
        wrong.extend(
            named
                .difference(caught)
                .map(|id| format!("{fault}: {id} names it and passes")),
        );
        wrong.extend(
            caught
                .difference(named)
                .map(|id| format!("{fault}: {id} fails and does not name it")),
        );
    }
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
