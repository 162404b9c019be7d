//! `codec`: judges an implementation of the encodings by the test vectors.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::cli::Codec;
use crate::error::Result;
use crate::expect::shortened;
use crate::interrupt;
use crate::judge::{self, report_of};
use crate::known::KnownFailures;
use crate::meaning;
use crate::report::model::{CaseResult, Verdict};
use crate::reproduce::quoted;
use crate::runner::{INTERRUPTED, LEFT_OUT, Run, RunEvent};
use crate::select::{Named, Selection};
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
    let names: Vec<Named> = vectors.iter().map(Vector::named).collect();
    let selection = Selection::new(&options.run, &names)?;
    let known = KnownFailures::read(options.run.known_failing.as_deref(), &names)?;
    judge::check_profile_names(
        &options.run.profile,
        vectors.iter().map(profile),
        "codecs have codec/json, codec/protobuf and codec/capnp",
    )?;
    judge::check_report(&options.run)?;
    let stage = judge::stage(&options.command)?;
    let seed = judge::seed(&options.run);
    let begin = Instant::now();
    let date = judge::now();
    let run = judge::observed(options.run.verbose, |to| {
        let mut session = Session {
            stage: &stage,
            subject: None,
            mourned: false,
            buffer: Vec::new(),
            options,
            seed,
            known,
        };
        session.run(&vectors, &selection, to)
    });
    let subject = judge::command_alone("codec", &options.command);
    let report = report_of(&run, subject, seed, date, begin.elapsed());
    judge::finish(&report, &options.run, run.interrupted)
}

fn profile(vector: &Vector) -> String {
    format!("codec/{}", vector.encoding)
}

/// A codec that answers request after request; started again when it dies.
struct Session<'a> {
    stage: &'a Stage,
    subject: Option<Subject>,
    /// Whether a vector was judged by the death of the subject.
    mourned: bool,
    buffer: Vec<u8>,
    options: &'a Codec,
    seed: u64,
    known: KnownFailures,
}

/// Why there is no answer.
enum NoAnswer {
    Died(String),
    Silent(String),
    Suite(String),
}

impl Session<'_> {
    fn run(&mut self, vectors: &[Vector], selection: &Selection, to: &Sender<RunEvent>) -> Run {
        let (wanted, left_out): (Vec<&Vector>, Vec<&Vector>) = vectors
            .iter()
            .partition(|v| selection.takes(&v.named(), &profile(v), &[profile(v)].into()));
        let mut results: Vec<CaseResult> = left_out
            .into_iter()
            .map(|v| CaseResult {
                profiles: Default::default(),
                ..self.not_run(v, LEFT_OUT)
            })
            .collect();
        let _ = to.send(RunEvent::Started(wanted.len()));
        let mut silent = 0;
        for vector in wanted {
            if interrupt::raised() {
                results.push(CaseResult {
                    reason: Some(INTERRUPTED.to_owned()),
                    ..self.result(vector, Verdict::Error)
                });
                continue;
            }
            let mut result = if vector.stateful {
                self.not_run(vector, STATEFUL)
            } else if silent >= 3 {
                self.not_run(
                    vector,
                    "the codec left three requests in a row without an answer",
                )
            } else {
                self.judge(vector)
            };
            let unanswered = result
                .actual
                .as_ref()
                .is_some_and(|a| a.starts_with(NO_ANSWER));
            silent = if unanswered || silent >= 3 {
                silent + 1
            } else {
                0
            };
            self.known.compare(&mut result, || self.again(vector));
            let _ = to.send(RunEvent::Finished(Box::new(result.clone())));
            results.push(result);
        }
        results.sort_by(|a, b| a.id.cmp(&b.id));
        Run {
            results,
            producer: None,
            interrupted: interrupt::raised(),
        }
    }

    fn not_run(&self, vector: &Vector, reason: &str) -> CaseResult {
        CaseResult {
            reason: Some(reason.to_owned()),
            ..self.result(vector, Verdict::NotApplicable)
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
        if let Some(subject) = self.subject.as_mut().filter(|_| !self.mourned)
            && let Some((_, exit)) = subject.first_exit()
        {
            // It had answered the request before this one, and was to answer them all.
            subject.transcript.restart();
            self.mourned = true;
            return Err(NoAnswer::Died(describe(exit)));
        }
        if self.mourned || self.subject.is_none() {
            self.mourned = false;
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
        let deadline =
            Instant::now() + Duration::from_secs_f64(ANSWER * self.options.run.timeout_scale);
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
                self.mourned = true;
                return Err(NoAnswer::Died(describe(exit)));
            }
            if interrupt::raised() {
                return Err(NoAnswer::Suite(INTERRUPTED.to_owned()));
            }
            let late = Instant::now() >= deadline && !self.buffer.contains(&b'\n');
            if late || self.buffer.len() > LONGEST {
                let how = if late {
                    format!(
                        "nothing for {:.1} s",
                        ANSWER * self.options.run.timeout_scale
                    )
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
        result.reproduce = Some(self.again(vector));
    }

    fn again(&self, vector: &Vector) -> String {
        let words = [
            "faas-conformance",
            "codec",
            "--filter",
            &vector.id,
            "--seed",
            &self.seed.to_string(),
            "--",
        ];
        let command = self.options.command.iter().map(String::as_str);
        quoted(
            &words
                .into_iter()
                .chain(command)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    fn attach(&self, result: &mut CaseResult) {
        let Some(subject) = &self.subject else { return };
        result.transcript = subject.transcript.entries().map(Into::into).collect();
        let (stderr, total) = subject.stderr();
        result.stderr = (total > 0).then(|| crate::runner::last_bytes(&stderr, 4096));
        result.exit = subject.exit().map(|exit| Some(exit.into()));
    }

    fn result(&self, vector: &Vector, verdict: Verdict) -> CaseResult {
        CaseResult {
            level: "MUST".to_owned(),
            ..CaseResult::new(vector.id.clone(), profile(vector), vector.rules(), verdict)
        }
    }
}

const NO_ANSWER: &str = "no answer: ";
const STATEFUL: &str = "the defect shows only to whoever remembers the messages before: functions are judged by it, codecs are not";

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
