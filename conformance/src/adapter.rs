//! `adapter`: judges an adapter for vendors' events by the fixtures of adapters/.

mod response;
pub mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cli::Adapter;
use crate::error::{Error, Result};
use crate::fixture::{self, Fixture, Truth};
use crate::interrupt;
use crate::judge::{self, report_of};
use crate::known::KnownFailures;
use crate::report::model::{CaseResult, Verdict};
use crate::reproduce::quoted;
use crate::runner::{INTERRUPTED, LEFT_OUT, Run, RunEvent};
use crate::select::{Named, Selection};
use crate::subject::launch::Stage;
use crate::subject::{Subject, describe};
use verdict::Output;

/// Seconds for one payload.
const ANSWER: f64 = 5.0;
/// More than this is no mapping of a fixture.
const LONGEST: usize = 64 << 20;
/// The files that it is given.
const DELIVERY: &str = "delivery.json";
const PAYLOAD: &str = "payload";

/// Judges an adapter; gives the exit status.
pub fn judge(options: &Adapter) -> Result<u8> {
    let all = match &options.fixtures {
        Some(folder) => fixture::of_folder(folder)?,
        None => fixture::fixtures()?,
    };
    if let Some(name) = options
        .source
        .iter()
        .find(|name| !all.iter().any(|f| f.source == **name))
    {
        return Err(Error::usage(
            format!("there are no fixtures for `{name}`"),
            "the sources are the sections of spec/adapters.md, such as aws.s3",
        ));
    }
    let fixtures: Vec<Fixture> = all
        .into_iter()
        .filter(|f| options.source.is_empty() || options.source.contains(&f.source))
        .collect();
    let names: Vec<Named> = fixtures.iter().map(Fixture::named).collect();
    let selection = Selection::new(&options.run, &names)?;
    let known = KnownFailures::read(options.run.known_failing.as_deref(), &names)?;
    judge::check_profile_names(
        &options.run.profile,
        fixtures.iter().map(Fixture::profile),
        "adapters have one for each source, such as adapter/aws.s3",
    )?;
    judge::check_report(&options.run)?;
    let stage = judge::stage(&options.command)?;
    let seed = judge::seed(&options.run);
    let (begin, date) = (Instant::now(), judge::now());
    let run = judge::observed(options.run.verbose, |to| {
        Bench {
            stage: &stage,
            options,
            known: &known,
        }
        .run(&fixtures, &selection, to)
    });
    let subject = judge::command_alone("adapter", &options.command);
    let report = report_of(&run, subject, seed, date, begin.elapsed());
    judge::finish(&report, &options.run, run.interrupted)
}

struct Bench<'a> {
    stage: &'a Stage,
    options: &'a Adapter,
    known: &'a KnownFailures,
}

impl Bench<'_> {
    fn run(&self, fixtures: &[Fixture], selection: &Selection, to: &Sender<RunEvent>) -> Run {
        let (wanted, left_out): (Vec<&Fixture>, Vec<&Fixture>) = fixtures
            .iter()
            .partition(|f| selection.takes(&f.named(), &f.profile(), &[f.profile()].into()));
        let mut results: Vec<CaseResult> = left_out
            .into_iter()
            .map(|f| CaseResult {
                profiles: Default::default(),
                reason: Some(LEFT_OUT.to_owned()),
                ..result(f, Verdict::NotApplicable)
            })
            .collect();
        let _ = to.send(RunEvent::Started(wanted.len()));
        // Each takes the next one that nobody has taken: they are all alike, and none waits for another.
        let next = AtomicUsize::new(0);
        let work = || {
            let mut results = Vec::new();
            while let Some(fixture) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                if interrupt::raised() {
                    results.push(CaseResult {
                        reason: Some(INTERRUPTED.to_owned()),
                        ..result(fixture, Verdict::Error)
                    });
                    continue;
                }
                let mut result = self.judge(fixture);
                self.known.compare(&mut result, || self.again(fixture));
                let _ = to.send(RunEvent::Finished(Box::new(result.clone())));
                results.push(result);
            }
            results
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..judge::jobs(&self.options.run))
                .map(|_| scope.spawn(work))
                .collect();
            for worker in workers {
                results.extend(worker.join().expect("a worker does not panic"));
            }
        });
        results.sort_by(|a, b| a.id.cmp(&b.id));
        Run {
            results,
            producer: None,
            interrupted: interrupt::raised(),
        }
    }

    fn judge(&self, fixture: &Fixture) -> CaseResult {
        let begin = Instant::now();
        let mut result = result(fixture, Verdict::Pass);
        let mut stderr = String::new();
        let judged = given(fixture).map_err(failed).and_then(|folder| {
            verdict::of_runs(fixture, |fixture| {
                let output = self.adapt(fixture, folder.path())?;
                stderr.clone_from(&output.stderr);
                Ok(output)
            })
        });
        match judged {
            Err(reason) => {
                result.verdict = Verdict::Error;
                result.reason = Some(reason);
            }
            Ok(Some(difference)) => {
                result.verdict = Verdict::Fail;
                result.expected = Some(difference.expected);
                result.actual = Some(difference.actual);
                result.reproduce = Some(self.again(fixture));
                result.stderr = Some(stderr).filter(|stderr| !stderr.is_empty());
            }
            Ok(None) => {}
        }
        result.duration_ms = begin.elapsed().as_millis() as u64;
        result
    }

    /// Runs the command on a fixture, to its end or to the deadline.
    fn adapt(&self, fixture: &Fixture, folder: &Path) -> Result<Output, String> {
        let mut argv: Vec<String> = self
            .options
            .command
            .iter()
            .map(|word| word.replace("{source}", &fixture.source))
            .collect();
        let file = |name| folder.join(name).display().to_string();
        argv.extend(["--delivery".to_owned(), file(DELIVERY)]);
        let stdin = match &fixture.truth {
            Truth::Reply { answers, .. } => {
                argv.extend(["--reply".to_owned(), "--payload".to_owned(), file(PAYLOAD)]);
                answers.clone().into_bytes()
            }
            _ => fixture.payload.clone(),
        };
        let stage = Stage {
            argv,
            ..self.stage.clone()
        };
        let mut subject = Subject::start(&[stage], &BTreeMap::new()).map_err(failed)?;
        subject.write(stdin, false, None);
        subject.close_stdin();
        let deadline =
            Instant::now() + Duration::from_secs_f64(ANSWER * self.options.run.timeout_scale);
        let mut stdout = Vec::new();
        let ended = loop {
            subject.turn(deadline, &mut stdout).map_err(failed)?;
            match subject
                .exit()
                .filter(|_| subject.stdout_ended() && subject.stderr_ended())
            {
                Some(exit) => break describe(exit),
                None if interrupt::raised() => return Err(INTERRUPTED.to_owned()),
                None if stdout.len() > LONGEST => break "wrote without end".to_owned(),
                None if Instant::now() >= deadline => {
                    break format!(
                        "was still running after {:.1} s",
                        ANSWER * self.options.run.timeout_scale
                    );
                }
                None => {}
            }
        };
        Ok(Output {
            stdout,
            stderr: subject.stderr().0,
            exit: subject.exit().and_then(|exit| exit.code()),
            ended,
        })
    }

    fn again(&self, fixture: &Fixture) -> String {
        let mut words = vec![
            "faas-conformance".to_owned(),
            "adapter".to_owned(),
            "--filter".to_owned(),
            fixture.id.clone(),
        ];
        if let Some(folder) = &self.options.fixtures {
            words.extend(["--fixtures".to_owned(), folder.display().to_string()]);
        }
        words.push("--".to_owned());
        words.extend(self.options.command.iter().cloned());
        quoted(&words)
    }
}

/// A folder with the files that the command is given.
fn given(fixture: &Fixture) -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join(DELIVERY), &fixture.delivery)?;
    fs::write(folder.path().join(PAYLOAD), &fixture.payload)?;
    Ok(folder)
}

fn failed(e: io::Error) -> String {
    format!("the adapter can't be run: {e}")
}

fn result(fixture: &Fixture, verdict: Verdict) -> CaseResult {
    CaseResult::new(
        fixture.id.clone(),
        fixture.profile(),
        fixture.rules.clone(),
        verdict,
    )
}
