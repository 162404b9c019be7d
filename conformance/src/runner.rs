//! Runs cases: which apply, in which order, several at once; tells what happens as events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::case::{Case, Kind};
use crate::event::Events;
use crate::finding::{Finding, Stop};
use crate::known::KnownFailures;
use crate::report::model::{CaseResult, Verdict};
use crate::reproduce;
use crate::rule::Level;
use crate::script::Script;
use crate::select::Selection;
use crate::step::Step;
use crate::target::{Claim, Target};

/// What happens during a run, for whoever shows it.
#[derive(Debug)]
pub enum RunEvent {
    /// So many cases will be run.
    Started(usize),
    /// A case ended.
    Finished(Box<CaseResult>),
}

/// How to run.
#[derive(Debug)]
pub struct Settings {
    /// The subcommand: which cases are meant for the subject.
    pub kind: Kind,
    /// Cases at once.
    pub jobs: usize,
    /// Factor on every time-out.
    pub scale: f64,
    /// What the run's identifiers and sizes come from.
    pub seed: u64,
    /// What to run.
    pub selection: Selection,
    /// What is expected to fail.
    pub known: KnownFailures,
}

/// What a run found.
#[derive(Debug)]
pub struct Run {
    /// One per case and target, in the order of their identifiers.
    pub results: Vec<CaseResult>,
    /// What the subject's hello said of its maker.
    pub producer: Option<String>,
    /// Whether a signal ended it early.
    pub interrupted: bool,
}

struct Runner<'a> {
    claim: &'a Claim,
    settings: &'a Settings,
    events: Events,
    to: &'a Sender<RunEvent>,
    producer: std::sync::Mutex<Option<String>>,
    interrupted: std::sync::atomic::AtomicBool,
}

/// Why a case that concerns the subject was not run.
pub const LEFT_OUT: &str = "left out by --filter, --skip or --profile";

/// Why a case that was to be run was not: a profile of which this is said was not judged.
pub const INTERRUPTED: &str = "the suite was interrupted";

/// One case on one target.
#[derive(Clone, Copy)]
struct Job<'a> {
    case: &'a Case,
    target: Target,
}

/// Judges a claim by the selected cases.
pub fn run(claim: &Claim, cases: &[Case], settings: &Settings, to: &Sender<RunEvent>) -> Run {
    let runner = Runner {
        claim,
        settings,
        events: Events::new(settings.seed, claim.sample.clone()),
        to,
        producer: Default::default(),
        interrupted: Default::default(),
    };
    let mut results = runner.run(cases);
    results.sort_by(|a, b| a.id.cmp(&b.id));
    let producer = runner.producer.lock().expect("no holder panics").clone();
    Run {
        results,
        producer,
        interrupted: runner.interrupted.into_inner(),
    }
}

impl Runner<'_> {
    fn run(&self, cases: &[Case]) -> Vec<CaseResult> {
        let mut results = Vec::new();
        let mut jobs = Vec::new();
        for target in self.claim.targets() {
            for case in cases.iter().filter(|case| self.concerns(case, target)) {
                let job = Job { case, target };
                let profiles = self.claim.profiles(case, target);
                let selection = &self.settings.selection;
                if !selection.takes(&case.named(), &target.profile(), &profiles) {
                    // It says nothing of a profile, neither for nor against.
                    results.push(CaseResult {
                        profiles: Default::default(),
                        ..self.not_applicable(job, LEFT_OUT.to_owned())
                    });
                } else if let Some(reason) = self.claim.lacks(case) {
                    // It counts for no profile but the mode's: the others were not claimed.
                    results.push(CaseResult {
                        profiles: match self.claim.runtime {
                            None => [target.profile()].into(),
                            Some(_) => Default::default(),
                        },
                        ..self.not_applicable(job, reason)
                    });
                } else {
                    jobs.push(job);
                }
            }
        }
        // Nobody minds if the receiver is gone: the results are returned as well.
        let _ = self.to.send(RunEvent::Started(jobs.len()));
        let (gates, others): (Vec<Job<'_>>, Vec<Job<'_>>) =
            jobs.into_iter().partition(|job| job.case.gate);
        let mut shut: Vec<(Target, String)> = Vec::new();
        for gate in gates {
            let result = match shut
                .iter()
                .find(|(target, _)| self.shuts(*target, gate.target))
            {
                Some((_, by)) => self.not_applicable(gate, not_judged(by)),
                None => self.judge(gate),
            };
            // A gate that is broken, even knowingly, leaves nothing to judge behind it.
            if matches!(
                result.verdict,
                Verdict::Fail | Verdict::Error | Verdict::KnownFail
            ) {
                shut.push((gate.target, gate.case.id.clone()));
            }
            results.push(self.tell(result));
        }
        let (blocked, open): (Vec<Job<'_>>, Vec<Job<'_>>) = others.into_iter().partition(|job| {
            shut.iter()
                .any(|(target, _)| self.shuts(*target, job.target))
        });
        for job in blocked {
            let by = &shut
                .iter()
                .find(|(target, _)| self.shuts(*target, job.target))
                .expect("partitioned by it")
                .1;
            results.push(self.tell(self.not_applicable(job, not_judged(by))));
        }
        results.extend(self.parallel(&open));
        results
    }

    /// Whether a gate that is shut for one target is shut for another: a driver is one for all.
    fn shuts(&self, shut: Target, target: Target) -> bool {
        shut == target || self.claim.runtime.is_some()
    }

    fn parallel(&self, jobs: &[Job<'_>]) -> Vec<CaseResult> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut results = Vec::new();
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                results.push(match self.interrupted.load(Ordering::Relaxed) {
                    true => CaseResult {
                        reason: Some(INTERRUPTED.to_owned()),
                        ..self.result(*job, Verdict::Error)
                    },
                    false => self.tell(self.judge(*job)),
                });
            }
            results
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.settings.jobs.clamp(1, jobs.len().max(1)))
                .map(|_| scope.spawn(work))
                .collect();
            workers
                .into_iter()
                .flat_map(|w| w.join().expect("a worker does not panic"))
                .collect()
        })
    }

    /// Whether a case is meant for this subject in this mode and encoding.
    fn concerns(&self, case: &Case, target: Target) -> bool {
        let kind = self.settings.kind.takes(case.subject);
        let encoded = target.mode == libfaas::Mode::Binary
            || case
                .encodings
                .as_ref()
                .is_none_or(|e| e.contains(&target.encoding))
                && has_bytes(&case.steps, target);
        kind && case.modes.contains(&target.mode) && encoded
    }

    /// A crash of the suite is its own fault, and costs one case.
    fn judge(&self, job: Job<'_>) -> CaseResult {
        let begin = Instant::now();
        let judged =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.judge_case(job)));
        let mut result = judged.unwrap_or_else(|_| CaseResult {
            reason: Some("the suite itself crashed here; its message is on stderr".to_owned()),
            ..self.result(job, Verdict::Error)
        });
        result.duration_ms = begin.elapsed().as_millis() as u64;
        result
    }

    fn judge_case(&self, job: Job<'_>) -> CaseResult {
        let scale = self.settings.scale;
        let mut script = Script::new(self.claim, job.case, job.target, &self.events, scale);
        let outcome = match starts(&job.case.steps) {
            true => Ok(()),
            false => script.run(&[Step::Start(Default::default())]),
        };
        let outcome = outcome.and_then(|()| script.run(&job.case.steps));
        let mut result = self.result(job, Verdict::Pass);
        if let Some(producer) = script.producer() {
            let mut known = self.producer.lock().expect("no holder panics");
            known.get_or_insert_with(|| producer.to_owned());
        }
        match outcome {
            Ok(()) => {}
            Err(Stop::Finding(finding)) => self.find(&mut result, job, finding, &script),
            Err(Stop::Unseen(reason)) => {
                result.verdict = Verdict::NotApplicable;
                result.reason = Some(reason);
            }
            Err(Stop::Suite(reason)) => {
                result.verdict = Verdict::Error;
                result.reason = Some(reason);
            }
            Err(Stop::Interrupted) => {
                self.interrupted.store(true, Ordering::Relaxed);
                result.verdict = Verdict::Error;
                result.reason = Some(INTERRUPTED.to_owned());
            }
        }
        let id = result.id.clone();
        self.settings.known.compare(&mut result, || {
            reproduce::line(self.claim, self.settings, &id)
        });
        result
    }

    fn find(&self, result: &mut CaseResult, job: Job<'_>, finding: Finding, script: &Script<'_>) {
        result.verdict = if job.case.level() == Level::Must {
            Verdict::Fail
        } else {
            Verdict::Warn
        };
        // The rule that is known to be broken comes first.
        let known = finding
            .rule
            .as_ref()
            .and_then(|rule| result.rules.iter().position(|r| r == rule));
        if let Some(at) = known {
            result.rules[..=at].rotate_right(1);
        }
        let also = finding.rule.filter(|_| known.is_none());
        result.expected = Some(finding.expected);
        result.actual = Some(match also {
            Some(rule) => format!("{} (this breaks {rule})", finding.actual),
            None => finding.actual,
        });
        result.hint = finding.hint;
        result.reproduce = Some(reproduce::line(self.claim, self.settings, &result.id));
        let Some(subject) = script.subject() else {
            return;
        };
        result.transcript = subject.transcript.entries().map(Into::into).collect();
        let (stderr, total) = subject.stderr();
        if total > 0 {
            result.stderr = Some(last_bytes(&stderr, 4096));
        }
        result.exit = Some(subject.exit().map(Into::into));
        if subject.exit().is_some() {
            let left = subject.survivors();
            if !left.is_empty() {
                let note = format!(
                    "It left behind {}; the suite killed what was left.",
                    left.join(", ")
                );
                result.hint = Some(
                    result
                        .hint
                        .take()
                        .map_or(note.clone(), |hint| format!("{hint} {note}")),
                );
            }
        }
    }

    fn not_applicable(&self, job: Job<'_>, reason: String) -> CaseResult {
        CaseResult {
            reason: Some(reason),
            ..self.result(job, Verdict::NotApplicable)
        }
    }

    fn result(&self, job: Job<'_>, verdict: Verdict) -> CaseResult {
        let profile = job.target.profile();
        let id = format!("{}#{profile}", job.case.id);
        CaseResult {
            level: if job.case.level() == Level::Must {
                "MUST"
            } else {
                "SHOULD"
            }
            .to_owned(),
            profiles: self.claim.profiles(job.case, job.target),
            ..CaseResult::new(id, profile, job.case.requires.clone(), verdict)
        }
    }

    fn tell(&self, result: CaseResult) -> CaseResult {
        let _ = self.to.send(RunEvent::Finished(Box::new(result.clone())));
        result
    }
}

fn not_judged(by: &str) -> String {
    format!("{by} failed, and nothing can be judged without it")
}

/// Whether a case's `raw` steps have bytes for the encoding.
fn has_bytes(steps: &[Step], target: Target) -> bool {
    steps.iter().all(|step| match step {
        Step::Raw(raw) => crate::outgoing::raw(&raw.raw, target.encoding).is_some(),
        Step::Repeat(repeat) => has_bytes(&repeat.steps, target),
        _ => true,
    })
}

/// Whether a case starts its subject itself.
fn starts(steps: &[Step]) -> bool {
    matches!(steps.first(), Some(Step::Start(_) | Step::Invoke(_)))
}

/// The end of a text, at a character's boundary.
pub fn last_bytes(text: &str, count: usize) -> String {
    let mut from = text.len().saturating_sub(count);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}
