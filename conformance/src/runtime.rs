//! `runtime`: asks the driver what the runtime claims, then judges it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfaas::{Encoding, Mode};
use serde_json::{Value, json};

use crate::case::{Case, Kind};
use crate::cli::Runtime;
use crate::deploy::{Bench, Deployment, Function};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::expect::PRODUCER;
use crate::incoming::Incoming;
use crate::interrupt;
use crate::judge;
use crate::known::KnownFailures;
use crate::report::model::SubjectInfo;
use crate::runner::{self, Settings};
use crate::running::Running;
use crate::select::{Named, Selection};
use crate::subject::Subject;
use crate::target::{Claim, RuntimeClaim, Target, Times};

/// The profiles of runtimes that can be claimed (spec/conformance.md); `core` always is.
pub const PROFILES: [&str; 12] = [
    "capnp",
    "chunks",
    "context",
    "http",
    "isolation/I1",
    "isolation/I2",
    "lifecycle",
    "operator",
    "pipeline",
    "retry",
    "streaming",
    "tenants",
];

/// Seconds that a driver may take for its first hello, beyond the function's initialisation.
const HELLO: f64 = 20.0;
/// Cases at once for each processor: most of them wait most of the time.
const JOBS: usize = 4;

/// Judges a runtime; gives the exit status.
pub fn judge(options: &Runtime) -> Result<u8> {
    let cases = judge::cases(options.run.cases.as_deref())?;
    let names: Vec<Named> = cases.iter().map(Case::named).collect();
    let seed = judge::seed(&options.run);
    let selection = Selection::new(&options.run, &names)?;
    let known = KnownFailures::read(options.run.known_failing.as_deref(), &names)?;
    judge::check_report(&options.run)?;
    let begin = Instant::now();
    let date = judge::now();
    let claim = claim(options, seed)?;
    judge::check_profiles(&options.run.profile, &claim, Kind::Runtime, &cases)?;
    let settings = Settings {
        kind: Kind::Runtime,
        jobs: match options.run.jobs {
            Some(_) => judge::jobs(&options.run),
            None => judge::jobs(&options.run) * JOBS,
        },
        scale: options.run.timeout_scale,
        seed,
        selection,
        known,
    };
    let run = judge::observed(options.run.verbose, |to| {
        runner::run(&claim, &cases, &settings, to)
    });
    let subject = subject(&claim, run.producer.clone());
    let report = judge::report_of(&run, subject, seed, date, begin.elapsed());
    judge::finish(&report, &options.run, run.interrupted)
}

/// What the driver says of the runtime, and what the person says.
fn claim(options: &Runtime, seed: u64) -> Result<Claim> {
    // Each case runs in a folder of its own choice; the driver stays where the person is.
    let mut driver = judge::stage(&options.command)?;
    driver.careless = true;
    let bench = Arc::new(Bench::new()?);
    let mut claim = Claim {
        name: program_name(&options.command[0]),
        version: None,
        modes: Mode::ALL.to_vec(),
        encodings: vec![Encoding::Json, Encoding::Protobuf],
        features: ["chunks".to_owned()].into(),
        // What the driver is told that it may be given at once.
        concurrency: 64,
        sample: Events::echo_sample(seed),
        options: flags(options),
        command: options.command.clone(),
        stages: vec![driver],
        runtime: None,
    };
    let details = stated(&claim, &bench, options.run.timeout_scale)?;
    let list = |name: &str| {
        details
            .get(name)
            .into_iter()
            .flat_map(|text| text.split(','))
    };
    let mut profiles: BTreeSet<String> = ["core".to_owned()].into();
    // What can't be read claims nothing; a case judges it (`driver-claims`).
    let known = list("profiles")
        .map(str::trim)
        .filter(|name| PROFILES.contains(name));
    profiles.extend(known.map(str::to_owned));
    profiles.extend(options.claim.iter().cloned());
    if list("encodings").any(|name| name.trim() == Encoding::Capnp.name()) {
        profiles.insert("capnp".to_owned());
    }
    if let Some(level @ ("I1" | "I2")) = details.get("isolation").map(String::as_str) {
        profiles.insert(format!("isolation/{level}"));
    }
    if profiles.contains("isolation/I2") {
        profiles.insert("isolation/I1".to_owned());
    }
    if profiles.contains("capnp") {
        claim.encodings.push(Encoding::Capnp);
    }
    claim.runtime = Some(RuntimeClaim {
        profiles,
        times: Times::stated(&details),
        http: options.http.clone(),
        details,
        bench,
    });
    Ok(claim)
}

/// The details of the driver's hello for the plain recorder. Empty if there is no good hello: the
/// first case says then what is wrong.
fn stated(claim: &Claim, bench: &Bench, scale: f64) -> Result<BTreeMap<String, String>> {
    let target = Target {
        mode: Mode::Stream,
        encoding: Encoding::Json,
    };
    let failed = |e: std::io::Error| {
        Error::not_judged(
            format!("the driver can't be started: {e}"),
            "give the driver's program after `--`",
        )
    };
    let deployment: Deployment = bench
        .deploy(
            &Function::default(),
            &BTreeMap::new(),
            target,
            "claims".to_owned(),
        )
        .map_err(failed)?;
    let manifest = deployment.manifest("").expect("every case has one");
    let mut stages = claim.stages.clone();
    stages[0].argv.push(manifest.to_string_lossy().into_owned());
    let mut env = claim.environment(target);
    env.extend(deployment.environment());
    let mut running = Running {
        subject: Subject::start(&stages, &env).map_err(failed)?,
        incoming: Incoming::new(Mode::Stream, Encoding::Json, 16 << 20),
        finished: false,
    };
    let hello = json!({ "call": 0, "hello": { "fsi": "1.0", "producer": PRODUCER } });
    let hello = format!("{hello}\n").into_bytes();
    running.subject.write(hello, false, None);
    let deadline = Instant::now() + Duration::from_secs_f64(HELLO * scale);
    let mut bytes = Vec::new();
    while running.incoming.peek(0).is_none()
        && running.incoming.broken.is_none()
        && !running.finished
        && Instant::now() < deadline
        && !interrupt::raised()
    {
        if running.turn(deadline, &mut bytes).is_err() {
            break;
        }
    }
    let details = running.incoming.pop(0).map(|hello| {
        let details = hello.view()["status"]["details"].as_object().cloned();
        let details = details.unwrap_or_default().into_iter();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        details.map(|(name, value)| (name, text(value))).collect()
    });
    Ok(details.unwrap_or_default())
}

fn subject(claim: &Claim, producer: Option<String>) -> SubjectInfo {
    let mut claims = claim
        .runtime
        .as_ref()
        .map_or(BTreeMap::new(), |r| r.details.clone());
    let system = rustix::system::uname();
    claims.insert(
        "system".to_owned(),
        format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy()
        ),
    );
    SubjectInfo {
        kind: Kind::Runtime.name().to_owned(),
        command: claim.command.clone(),
        name: Some(claim.name.clone()),
        version: None,
        claims,
        producer,
    }
}

/// The options that name the subject, as they were given.
fn flags(options: &Runtime) -> Vec<String> {
    let claims = options
        .claim
        .iter()
        .flat_map(|c| ["--claim".to_owned(), c.clone()]);
    let http = options
        .http
        .iter()
        .flat_map(|url| ["--http".to_owned(), url.clone()]);
    claims.chain(http).collect()
}

pub(crate) fn program_name(program: &str) -> String {
    let file = std::path::Path::new(program).file_name();
    file.map_or_else(
        || program.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
