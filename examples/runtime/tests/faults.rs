//! Every fault of the reference runtime (`run --fault NAME`) is caught by exactly the cases of
//! `faas-conformance runtime` that name it: one trial for each fault.
//!
//! Each of those cases has to fail, and a few others, a different few for each fault, must not.
//! `RUNTIME_FAULTS=all` asks all others, and the runtime without a fault; `FAULT=name` runs one fault against
//! all cases, `FAULT=name RUNTIME_FAULTS=named` against those that name it. `FAULTS_SCALE=2` gives slow
//! machines more time.
//!
//! Faults of isolation need the rights that isolation needs; without them they are ignored, by name.
//! They run in a network of their own, in which the addresses that cases try to reach lead nowhere.

use std::collections::BTreeSet;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use faas_conformance::case::{Case, Kind};
use faas_conformance::fault::RUNTIME;
use faas_conformance::report::model::{CaseResult, Report, Verdict};
use faas_runtime::fault::{self, Fault};
use libfaas::host::{Level, Sandbox};
use libtest_mimic::{Arguments, Failed, Trial};

/// Faults after which little works, so that nothing is asked of other cases.
const BROAD: [&str; 8] = [
    "core-binary-missing",
    "core-mode-missing",
    "driver-answers-itself",
    "driver-hello-always-ok",
    "driver-hello-missing",
    "driver-http-elsewhere",
    "driver-tenant-ignored",
    "host-hello-late",
];

/// One in so many of the other cases is asked.
const SAMPLE: u64 = 40;

/// What the time-outs are multiplied with when a result was not the expected one.
const PATIENCE: f64 = 2.0;

/// A network that holds nothing but its loopback device, which has the addresses that cases try.
const OWN_NETWORK: &str = "ip link set lo up && ip addr add 169.254.169.254/32 dev lo && \
    ip addr add 192.0.2.1/32 dev lo && ip addr add 198.51.100.1/32 dev lo && exec \"$@\"";

struct Bench {
    suite: PathBuf,
    cases: Vec<Case>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::from_args();
    // A trial waits for times to pass more than it works.
    let cores = std::thread::available_parallelism()?.get();
    // A trial waits for times to pass more than it works.
    arguments.test_threads.get_or_insert(4 * cores);
    let mut cases = Case::embedded()?;
    cases.retain(|case| case.subject == Kind::Runtime);
    let suite = suite()?;
    let bench: &'static Bench = Box::leak(Box::new(Bench { suite, cases }));
    let only = std::env::var("FAULT").ok();
    let asked = std::env::var("RUNTIME_FAULTS").unwrap_or_default();
    let mut trials = vec![Trial::test(
        "the list and the runtime have the same faults",
        same_names,
    )];
    if asked == "all" && only.is_none() {
        let all = bench.cases.iter().collect::<Vec<_>>();
        trials.push(Trial::test("without a fault", move || {
            expect(bench, None, &all, &BTreeSet::new())
        }));
    }
    for fault in fault::all().filter(|fault| only.as_ref().is_none_or(|only| only == fault.name)) {
        let everything = asked == "all" || only.is_some() && asked != "named";
        let none = BROAD.contains(&fault.name) || asked == "named";
        let names_it = |case: &&Case| case.faults.iter().any(|name| name == fault.name);
        let named: BTreeSet<String> = bench
            .cases
            .iter()
            .filter(names_it)
            .map(|case| case.id.clone())
            .collect();
        let is_asked = |case: &&Case| {
            names_it(case) || !none && (everything || is_sampled(fault.name, &case.id))
        };
        let cases: Vec<&Case> = bench.cases.iter().filter(is_asked).collect();
        let trial = Trial::test(fault.name, move || {
            expect(bench, Some(fault), &cases, &named)
        });
        trials.push(match Sandbox::probe(fault.level) {
            Ok(_) => trial,
            Err(missing) => trial.with_ignored_flag(true).with_kind(missing.to_string()),
        });
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn same_names() -> Result<(), Failed> {
    let listed: BTreeSet<&str> = RUNTIME.iter().map(|fault| fault.name).collect();
    let done: BTreeSet<&str> = fault::all().map(|fault| fault.name).collect();
    let without: Vec<_> = listed.difference(&done).collect();
    let unlisted: Vec<_> = done.difference(&listed).collect();
    match fault::all().count() == done.len() && without.is_empty() && unlisted.is_empty() {
        true => Ok(()),
        false => Err(format!("listed only: {without:?}; done only: {unlisted:?}").into()),
    }
}

/// Whether a case is among the few that are asked for a fault that they do not name.
fn is_sampled(fault: &str, case: &str) -> bool {
    // The same in every run: the hasher's keys are fixed.
    let mut hasher = DefaultHasher::new();
    (fault, case).hash(&mut hasher);
    hasher.finish().is_multiple_of(SAMPLE)
}

/// Exactly these of the cases must fail.
fn expect(
    bench: &Bench,
    fault: Option<&Fault>,
    cases: &[&Case],
    named: &BTreeSet<String>,
) -> Result<(), Failed> {
    if fault.is_some() && named.is_empty() {
        return Err("no case names it".into());
    }
    let mut results = judge(bench, fault, cases, 1.0)?;
    let as_expected =
        |results: &[CaseResult], case: &Case| caught(results, &case.id) == named.contains(&case.id);
    // What a busy machine may have brought about, either way, is looked at again.
    let doubtful = cases.iter().filter(|case| !as_expected(&results, case));
    let doubtful: Vec<&Case> = doubtful.copied().collect();
    if !doubtful.is_empty() {
        results.retain(|result| doubtful.iter().all(|case| case.id != result.case()));
        results.extend(judge(bench, fault, &doubtful, PATIENCE)?);
    }
    let wrong = doubtful
        .into_iter()
        .filter(|case| !as_expected(&results, case));
    let wrong: Vec<String> = wrong.map(|case| describe(case, &results, named)).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

fn caught(results: &[CaseResult], case: &str) -> bool {
    let failed = |result: &CaseResult| {
        matches!(
            result.verdict,
            Verdict::Fail | Verdict::Warn | Verdict::Error
        )
    };
    results
        .iter()
        .any(|result| result.case() == case && failed(result))
}

fn describe(case: &Case, results: &[CaseResult], named: &BTreeSet<String>) -> String {
    let said: Vec<String> = results
        .iter()
        .filter(|result| result.case() == case.id)
        .map(|result| {
            let text = result.actual.as_ref().or(result.reason.as_ref());
            let text = text.map_or("", String::as_str);
            format!("  {}: {} {text}", result.id, result.verdict.name())
        })
        .collect();
    let how = match named.contains(&case.id) {
        true => "names it and does not fail",
        false => "fails and does not name it",
    };
    format!("{} {how}\n{}", case.id, said.join("\n"))
}

/// Judges the runtime by these cases.
fn judge(
    bench: &Bench,
    fault: Option<&Fault>,
    cases: &[&Case],
    scale: f64,
) -> Result<Vec<CaseResult>, Failed> {
    let level = fault.map_or(Level::None, |fault| fault.level);
    let factor = std::env::var("FAULTS_SCALE").map_or(Ok(1.0), |factor| factor.parse::<f64>())?;
    let mut run = match level {
        Level::MultiTenant => {
            let mut run = Command::new("unshare");
            run.args(["--net", "sh", "-c", OWN_NETWORK, "sh"])
                .arg(&bench.suite);
            run
        }
        _ => Command::new(&bench.suite),
    };
    run.args(["runtime", "--format", "json", "--seed", "1", "--jobs", "2"]);
    run.args(["--timeout-scale", &(scale * factor).to_string()]);
    for case in cases {
        run.args(["--filter", &case.id]);
    }
    run.args(["--", env!("CARGO_BIN_EXE_faas-runtime"), "run"]);
    if let Some(fault) = fault {
        run.args(["--fault", fault.name]);
    }
    run.args([
        "--isolation",
        &level.to_string(),
        "--init",
        "3s",
        "--cancel-grace",
        "1s",
    ]);
    // Time for pipelines to unwind by themselves before they are helped.
    let drain = if fault.is_some_and(|fault| fault.name == "pipeline-ends-kept") {
        "8s"
    } else {
        "1s"
    };
    run.args(["--drain", drain, "--sigterm-grace", "500ms"]);
    let output = run.stdin(Stdio::null()).output()?;
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("no report: {error}\n{said}")
    })?;
    let asked = |result: &CaseResult| cases.iter().any(|case| case.id == result.case());
    Ok(report.results.into_iter().filter(asked).collect())
}

/// The suite's program, built if need be, beside the runtime's.
fn suite() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--package",
        "faas-conformance",
        "--bins",
    ]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err("building faas-conformance failed".into());
    }
    let runtime = Path::new(env!("CARGO_BIN_EXE_faas-runtime"));
    Ok(runtime.with_file_name("faas-conformance"))
}
