//! `codec`: judges an implementation of the encodings by the test vectors.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::cli::Codec;
use crate::error::{Error, Result};
use crate::expect::shortened;
use crate::interrupt;
use crate::judge::{self, report_of};
use crate::meaning;
use crate::report::model::{CaseResult, SubjectInfo, Verdict};
use crate::reproduce::quoted;
use crate::runner::{Run, RunEvent};
use crate::subject::launch::Stage;
use crate::subject::{Subject, describe};
use crate::vector::{Truth, Vector, vectors};

/// Seconds for one answer.
const ANSWER: f64 = 5.0;
/// An answer is one line; a codec that writes more than this has lost its way.
const LONGEST: usize = 64 << 20;

/// Judges a codec; gives the exit status.
pub fn judge(options: &Codec) -> Result<u8> {
    let vectors: Vec<Vector> = vectors()?
        .into_iter()
        .filter(|v| options.encoding.is_empty() || options.encoding.contains(&v.encoding))
        .collect();
    let wanted = selected(options, &vectors)?;
    let known = known(options, &vectors)?;
    let cwd = std::env::current_dir().map_err(|e| {
        Error::not_judged(
            format!("the current folder can't be read: {e}"),
            "run the suite in a folder that exists",
        )
    })?;
    let stage = Stage::resolve(options.command.clone(), cwd, BTreeMap::new())?;
    let seed = judge::seed(&options.run);
    let begin = Instant::now();
    let date = judge::now();
    let run = judge::observed(|to| {
        let mut session = Session::new(&stage, options.run.timeout_scale, options, seed);
        let mut run = session.run(&wanted, to);
        for result in &mut run.results {
            compare_with_known(result, &known);
        }
        run
    });
    let subject = SubjectInfo {
        kind: "codec".to_owned(),
        command: options.command.clone(),
        name: None,
        version: None,
        producer: None,
    };
    let report = report_of(&run, subject, seed, date, begin.elapsed());
    judge::finish(&report, &options.run, run.interrupted)
}

/// The vectors that `--filter`, `--skip` and `--profile` leave.
fn selected<'a>(options: &Codec, vectors: &'a [Vector]) -> Result<Vec<&'a Vector>> {
    let run = &options.run;
    let matches = |pattern: &str, v: &Vector| match globset::Glob::new(pattern) {
        Ok(glob) if pattern.contains(['*', '?', '[', '{']) => {
            let glob = glob.compile_matcher();
            glob.is_match(&v.id) || v.rules().iter().any(|r| glob.is_match(r))
        }
        _ => {
            let id = pattern.split('#').next().unwrap_or(pattern);
            v.id.contains(id) || v.rules().iter().any(|r| r == id)
        }
    };
    if let Some(pattern) = run
        .filter
        .iter()
        .chain(&run.skip)
        .find(|p| !vectors.iter().any(|v| matches(p, v)))
    {
        return Err(Error::usage(
            format!("`{pattern}` matches no vector and no rule that one breaks"),
            "a pattern is a part of a name such as json/event-valid/minimal, a rule, or a glob",
        ));
    }
    let profile = |v: &Vector| format!("codec/{}", v.encoding);
    if let Some(name) = run
        .profile
        .iter()
        .find(|p| !vectors.iter().any(|v| profile(v) == **p))
    {
        return Err(Error::usage(
            format!("there is no profile `{name}` here"),
            "codecs have codec/json, codec/protobuf and codec/capnp",
        ));
    }
    Ok(vectors
        .iter()
        .filter(|v| run.filter.is_empty() || run.filter.iter().any(|p| matches(p, v)))
        .filter(|v| !run.skip.iter().any(|p| matches(p, v)))
        .filter(|v| run.profile.is_empty() || run.profile.contains(&profile(v)))
        .collect())
}

/// The vectors that are known to fail.
fn known(options: &Codec, vectors: &[Vector]) -> Result<Vec<String>> {
    let Some(file) = &options.run.known_failing else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(file).map_err(|e| {
        Error::usage(
            format!(
                "the list of known failures {} can't be read: {e}",
                file.display()
            ),
            "give a text file with a vector a line",
        )
    })?;
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(str::to_owned)
        .collect();
    match lines.iter().find(|l| {
        !vectors
            .iter()
            .any(|v| v.id == l.split('#').next().unwrap_or(l))
    }) {
        Some(line) => Err(Error::usage(
            format!(
                "{} lists `{line}`, and there is no such vector",
                file.display()
            ),
            "a report names them",
        )),
        None => Ok(lines),
    }
}

fn compare_with_known(result: &mut CaseResult, known: &[String]) {
    if !known.iter().any(|k| *k == result.id || *k == result.case()) {
        return;
    }
    match result.verdict {
        Verdict::Fail => result.known_to_fail(),
        Verdict::Pass => {
            let line = result
                .reproduce
                .clone()
                .unwrap_or_else(|| "faas-conformance codec".to_owned());
            result.listed_and_passes(line);
        }
        _ => {}
    }
}

/// A codec that answers request after request; started again when it dies.
struct Session<'a> {
    stage: &'a Stage,
    subject: Option<Subject>,
    buffer: Vec<u8>,
    scale: f64,
    options: &'a Codec,
    seed: u64,
}

/// Why there is no answer.
enum NoAnswer {
    Died(String),
    Silent(String),
    Suite(String),
}

impl<'a> Session<'a> {
    fn new(stage: &'a Stage, scale: f64, options: &'a Codec, seed: u64) -> Session<'a> {
        Session {
            stage,
            subject: None,
            buffer: Vec::new(),
            scale,
            options,
            seed,
        }
    }

    fn run(&mut self, vectors: &[&Vector], to: &Sender<RunEvent>) -> Run {
        let _ = to.send(RunEvent::Started(vectors.len()));
        let mut results = Vec::new();
        let mut silent = 0;
        for vector in vectors {
            if interrupt::raised() {
                break;
            }
            let result = if vector.stateful {
                let reason = "only who remembers the messages before sees the defect; functions are judged by it, codecs are not";
                CaseResult {
                    reason: Some(reason.to_owned()),
                    ..self.result(vector, Verdict::NotApplicable)
                }
            } else if silent >= 3 {
                let reason =
                    "not judged, because the codec left three requests in a row without an answer";
                CaseResult {
                    reason: Some(reason.to_owned()),
                    ..self.result(vector, Verdict::NotApplicable)
                }
            } else {
                self.judge(vector)
            };
            let unanswered = result.verdict == Verdict::Fail
                && result
                    .actual
                    .as_ref()
                    .is_some_and(|a| a.starts_with(NO_ANSWER));
            silent = if unanswered || silent >= 3 {
                silent + 1
            } else {
                0
            };
            let _ = to.send(RunEvent::Finished(Box::new(result.clone())));
            results.push(result);
        }
        Run {
            results,
            producer: None,
            interrupted: interrupt::raised(),
        }
    }

    fn judge(&mut self, vector: &Vector) -> CaseResult {
        let begin = Instant::now();
        let mut result = self.result(vector, Verdict::Pass);
        let found = match &vector.truth {
            Truth::Means(meaning) => self.decodes(vector, meaning).and_then(|found| match found {
                None if vector.encodable() => self.encodes(vector, meaning),
                found => Ok(found),
            }),
            Truth::Breaks(rule) => self.rejects(vector, rule),
        };
        match found {
            Ok(None) => {}
            Ok(Some((expected, actual))) => self.fail(&mut result, vector, expected, actual),
            Err(NoAnswer::Suite(reason)) => {
                result.verdict = Verdict::Error;
                result.reason = Some(reason);
            }
            Err(NoAnswer::Died(how)) => {
                let actual = format!(
                    "the codec {how} instead of answering; a crash is neither a result nor a refusal"
                );
                self.fail(&mut result, vector, "an answer".to_owned(), actual);
            }
            Err(NoAnswer::Silent(how)) => self.fail(
                &mut result,
                vector,
                "an answer of one line".to_owned(),
                format!("{NO_ANSWER}{how}"),
            ),
        }
        if result.verdict != Verdict::Pass {
            self.attach(&mut result);
        }
        result.duration_ms = begin.elapsed().as_millis() as u64;
        result
    }

    fn decodes(
        &mut self,
        vector: &Vector,
        meaning: &Value,
    ) -> Result<Option<(String, String)>, NoAnswer> {
        let answer = self.ask(&decode_request(vector))?;
        let came = answer.get("meaning");
        Ok(match came {
            Some(came) if same_but_rule_names(meaning, came) => None,
            _ => Some((
                format!("the meaning {}", shortened(meaning)),
                shortened(came.unwrap_or(&answer)),
            )),
        })
    }

    fn rejects(
        &mut self,
        vector: &Vector,
        rule: &str,
    ) -> Result<Option<(String, String)>, NoAnswer> {
        let answer = self.ask(&decode_request(vector))?;
        let refused = answer.get("error").is_some() && answer.get("meaning").is_none();
        Ok((!refused).then(|| {
            (
                format!("an error, because the bytes break {rule}: {}", vector.why),
                shortened(&answer),
            )
        }))
    }

    fn encodes(
        &mut self,
        vector: &Vector,
        meaning: &Value,
    ) -> Result<Option<(String, String)>, NoAnswer> {
        let request = json!({"op": "encode", "encoding": vector.encoding.name(), "of": vector.shape, "meaning": meaning});
        let answer = self.ask(&request)?;
        let expected = format!("bytes that mean {}", shortened(meaning));
        let Some(bytes) = answer["bytes"]
            .as_str()
            .and_then(|b| BASE64.decode(b.as_bytes()).ok())
        else {
            return Ok(Some((expected, shortened(&answer))));
        };
        // Read back by the suite's own decoder: the codec's would forgive what it does wrong twice.
        let read = meaning::read(&vector.shape, vector.encoding, bytes);
        Ok(match read {
            Ok(read) if meaning::same(&read, meaning) => None,
            Ok(read) => Some((expected, format!("bytes that mean {}", shortened(&read)))),
            Err(why) => Some((expected, format!("bytes that can't be read: {why}"))),
        })
    }

    /// One request, one line.
    fn ask(&mut self, request: &Value) -> Result<Value, NoAnswer> {
        if self
            .subject
            .as_ref()
            .is_none_or(|s| s.first_exit().is_some())
        {
            self.buffer.clear();
            let started = Subject::start(std::slice::from_ref(self.stage), &BTreeMap::new());
            self.subject = Some(
                started.map_err(|e| NoAnswer::Suite(format!("the codec can't be started: {e}")))?,
            );
        }
        let subject = self.subject.as_mut().expect("started above");
        subject.transcript.restart();
        let text = request.to_string();
        subject.write(format!("{text}\n").into_bytes(), false, Some(text));
        let deadline = Instant::now() + Duration::from_secs_f64(ANSWER * self.scale);
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).into_owned();
                subject
                    .transcript
                    .read(line.as_bytes(), vec![line.trim_end().to_owned()]);
                return serde_json::from_str(&line)
                    .or_else(|_| Ok(json!({ "no JSON": line.trim_end() })));
            }
            let mut bytes = Vec::new();
            subject
                .turn(deadline, &mut bytes)
                .map_err(|e| NoAnswer::Suite(e.to_string()))?;
            self.buffer.extend(bytes);
            let dead = subject.first_exit().filter(|_| subject.stdout_ended());
            if let Some((_, exit)) = dead.filter(|_| !self.buffer.contains(&b'\n')) {
                return Err(NoAnswer::Died(describe(exit)));
            }
            if interrupt::raised() {
                return Err(NoAnswer::Suite("the suite was interrupted".to_owned()));
            }
            let late = Instant::now() >= deadline && !self.buffer.contains(&b'\n');
            if late || self.buffer.len() > LONGEST {
                let how = if late {
                    format!("nothing for {:.1} s", ANSWER * self.scale)
                } else {
                    "a line without end".to_owned()
                };
                // Whatever it says later belongs to no request any more.
                self.subject = None;
                return Err(NoAnswer::Silent(how));
            }
        }
    }

    fn fail(&self, result: &mut CaseResult, vector: &Vector, expected: String, actual: String) {
        result.verdict = Verdict::Fail;
        result.expected = Some(expected);
        result.actual = Some(actual);
        let mut words = vec!["faas-conformance".to_owned(), "codec".to_owned()];
        words.extend([
            "--filter".to_owned(),
            vector.id.clone(),
            "--seed".to_owned(),
            self.seed.to_string(),
            "--".to_owned(),
        ]);
        words.extend(self.options.command.iter().cloned());
        result.reproduce = Some(quoted(&words));
    }

    fn attach(&self, result: &mut CaseResult) {
        let Some(subject) = &self.subject else { return };
        result.transcript = subject.transcript.entries().map(Into::into).collect();
        let (stderr, total) = subject.stderr();
        result.stderr = (total > 0).then(|| crate::runner::last_bytes(&stderr, 4096));
        result.exit = subject.exit().map(|exit| Some(exit.into()));
    }

    fn result(&self, vector: &Vector, verdict: Verdict) -> CaseResult {
        let profile = format!("codec/{}", vector.encoding);
        CaseResult {
            level: "MUST".to_owned(),
            ..CaseResult::new(vector.id.clone(), profile, vector.rules(), verdict)
        }
    }
}

const NO_ANSWER: &str = "no answer: ";

fn decode_request(vector: &Vector) -> Value {
    json!({"op": "decode", "encoding": vector.encoding.name(), "of": vector.shape, "bytes": BASE64.encode(&vector.bytes)})
}

/// A stream goes on behind an invalid event; which rule that broke, a codec need not say.
fn same_but_rule_names(meaning: &Value, came: &Value) -> bool {
    let (mut meaning, mut came) = (meaning.clone(), came.clone());
    for list in [&mut meaning, &mut came] {
        for message in list.as_array_mut().into_iter().flatten() {
            if let Some(rule) = message.get_mut("invalid") {
                *rule = Value::Bool(true);
            }
        }
    }
    meaning::same(&meaning, &came)
}
