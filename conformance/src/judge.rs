//! `function` and `sdk`: from the options to the report and the exit status.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::case::{Case, Kind};
use crate::claimed;
use crate::cli::{Judge, RunOptions};
use crate::error::{Error, Result};
use crate::exit;
use crate::known::KnownFailures;
use crate::report::model::{self, Counts, Report, SubjectInfo, Suite};
use crate::report::progress::Progress;
use crate::report::{self, Format, human};
use crate::runner::{self, Run, Settings};
use crate::select::{Named, Selection};
use crate::subject::launch::Stage;
use crate::target::Claim;

/// The specification that this suite judges by.
pub const SPEC: &str = "1.0-draft";

/// Judges a function or a library's probe; gives the exit status.
pub fn judge(options: &Judge, kind: Kind) -> Result<u8> {
    let cases = cases(options.run.cases.as_deref())?;
    let names: Vec<Named> = cases.iter().map(Case::named).collect();
    let seed = seed(&options.run);
    let claim = claimed::claim(&options.claimed, kind, seed)?;
    let settings = Settings {
        kind,
        jobs: jobs(&options.run),
        scale: options.run.timeout_scale,
        seed,
        selection: Selection::new(&options.run, &names)?,
        known: KnownFailures::read(options.run.known_failing.as_deref(), &names)?,
    };
    check_profiles(&options.run.profile, &claim, kind, &cases)?;
    check_report(&options.run)?;
    let begin = Instant::now();
    let date = now();
    let run = observed(options.run.verbose, |to| {
        runner::run(&claim, &cases, &settings, to)
    });
    let subject = subject(&claim, kind, run.producer.clone());
    let report = report_of(&run, subject, seed, date, begin.elapsed());
    finish(&report, &options.run, run.interrupted)
}

/// The report of a run.
pub fn report_of(
    run: &Run,
    subject: SubjectInfo,
    seed: u64,
    date: String,
    took: Duration,
) -> Report {
    Report {
        spec: SPEC.to_owned(),
        suite: Suite {
            name: "faas-conformance".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        subject,
        seed,
        date,
        duration_ms: took.as_millis() as u64,
        profiles: model::profiles(&run.results),
        summary: Counts::of(&run.results),
        results: run.results.clone(),
    }
}

/// The cases of a folder, or the built-in ones.
pub fn cases(dir: Option<&Path>) -> Result<Vec<Case>> {
    match dir {
        Some(dir) => Case::from_dir(dir),
        None => Case::embedded(),
    }
}

/// Runs with someone watching: progress on stderr, with `verbose` also of what passes.
pub fn observed(
    verbose: bool,
    run: impl FnOnce(&mpsc::Sender<runner::RunEvent>) -> Run + Send,
) -> Run {
    let (to, from) = mpsc::channel();
    let mut progress = Progress::start(verbose);
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || run(&to));
        from.iter().for_each(|event| progress.event(&event));
        progress.finish();
        worker.join().expect("the runner does not panic")
    })
}

/// Writes the report wherever it was asked for, and gives the exit status.
pub fn finish(report: &Report, options: &RunOptions, interrupted: bool) -> Result<u8> {
    let mut err = anstream::stderr().lock();
    // stderr gone means that nobody is reading.
    let _ = human::verdict(report, &mut err);
    if options.format != Format::Human {
        report::write(report, options.format, &mut std::io::stdout().lock())
            .map_err(|e| unwritable("stdout", e))?;
    }
    if let Some(file) = &options.report {
        let mut text = Vec::new();
        report::write(report, Format::Json, &mut text).map_err(|e| unwritable("the report", e))?;
        std::fs::write(file, text).map_err(|e| unwritable(&file.display().to_string(), e))?;
    }
    if interrupted {
        return Err(Error::not_judged(
            "the suite was interrupted",
            "run it again for a verdict; what is printed above holds",
        ));
    }
    let counts = &report.summary;
    Ok(if counts.fail > 0 {
        exit::NOT_CONFORMING
    } else if counts.error > 0 {
        exit::NOT_JUDGED
    } else if counts.judged() == 0 {
        let _ = writeln!(
            err,
            "No case was judged: nothing is known about this subject."
        );
        exit::NOT_JUDGED
    } else {
        exit::CONFORMING
    })
}

fn unwritable(what: &str, e: std::io::Error) -> Error {
    Error::not_judged(
        format!("{what} can't be written: {e}"),
        "give the report somewhere to go",
    )
}

/// A profile that nothing belongs to would silently run nothing.
pub fn check_profiles(wanted: &[String], claim: &Claim, kind: Kind, cases: &[Case]) -> Result<()> {
    let known: std::collections::BTreeSet<String> = claim
        .targets()
        .into_iter()
        .flat_map(|target| {
            cases
                .iter()
                .filter(|case| kind.takes(case.subject))
                .filter(|case| claim.runtime.is_none() || claim.lacks(case).is_none())
                .flat_map(move |case| claim.profiles(case, target))
        })
        .collect();
    match wanted.iter().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::usage(
            format!("the subject has no profile `{name}`"),
            format!(
                "what it claims can be in {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

/// The same for subjects of which only a command is known, and which have these profiles.
pub fn check_profile_names(
    wanted: &[String],
    known: impl Iterator<Item = String> + Clone,
    advice: &str,
) -> Result<()> {
    match wanted
        .iter()
        .find(|name| !known.clone().any(|known| known == **name))
    {
        None => Ok(()),
        Some(name) => Err(Error::usage(
            format!("there is no profile `{name}` here"),
            advice,
        )),
    }
}

/// A command, to be started in the folder where the person is.
pub fn stage(command: &[String]) -> Result<Stage> {
    let cwd = claimed::current_folder()?;
    Stage::resolve(command.to_vec(), cwd, BTreeMap::new())
}

/// A subject of which only its command is known.
pub fn command_alone(kind: &str, command: &[String]) -> SubjectInfo {
    SubjectInfo {
        kind: kind.to_owned(),
        command: command.to_vec(),
        name: None,
        version: None,
        claims: BTreeMap::new(),
        producer: None,
    }
}

/// The seed that was given, or one of the system's.
pub fn seed(options: &RunOptions) -> u64 {
    // Short enough to be typed again.
    options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000))
}

/// How many cases run at once.
pub fn jobs(options: &RunOptions) -> usize {
    match options.jobs {
        Some(jobs) => jobs.into(),
        None => std::thread::available_parallelism().map_or(2, Into::into),
    }
}

/// Whether the report can be written, before there is one to lose.
pub fn check_report(options: &RunOptions) -> Result<()> {
    let Some(file) = &options.report else {
        return Ok(());
    };
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file);
    opened.map(drop).map_err(|e| {
        Error::usage(
            format!("the report {} can't be written: {e}", file.display()),
            "give --report a file in a folder that exists",
        )
    })
}

/// The time, to the second, in UTC.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    format!("{}", now.round(jiff::Unit::Second).unwrap_or(now))
}

fn subject(claim: &Claim, kind: Kind, producer: Option<String>) -> SubjectInfo {
    let command = claim
        .stages
        .iter()
        .map(|stage| stage.argv.clone())
        .collect::<Vec<_>>()
        .join(&"|".to_owned());
    SubjectInfo {
        kind: kind.name().to_owned(),
        claims: Default::default(),
        command,
        name: Some(claim.name.clone()),
        version: claim.version.clone(),
        producer,
    }
}
