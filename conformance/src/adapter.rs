//! `adapter`: judges an adapter for vendors' events by the fixtures of adapters/.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use libfaas::{Data, Event};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::Adapter;
use crate::document;
use crate::error::{Error, Result};
use crate::fixture::{self, Fixture, Truth};
use crate::interrupt;
use crate::judge::{self, report_of};
use crate::known::KnownFailures;
use crate::report::model::{CaseResult, SubjectInfo, Verdict};
use crate::reproduce::quoted;
use crate::runner::{LEFT_OUT, Run, RunEvent};
use crate::select::{Named, Selection};
use crate::subject::launch::Stage;
use crate::subject::{Subject, describe};

/// Seconds for one payload.
const ANSWER: f64 = 5.0;
/// More than this is no mapping of a fixture.
const LONGEST: usize = 64 << 20;
/// The exit status for a payload that can't be mapped.
const UNMAPPABLE: i32 = 65;

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
    check_profiles(&options.run.profile, &fixtures)?;
    judge::check_report(&options.run)?;
    let unreadable = |e| {
        Error::not_judged(
            format!("the current folder can't be read: {e}"),
            "run the suite in a folder that exists",
        )
    };
    let cwd = std::env::current_dir().map_err(unreadable)?;
    let stage = Stage::resolve(options.command.clone(), cwd, BTreeMap::new())?;
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
    let subject = SubjectInfo {
        kind: "adapter".to_owned(),
        command: options.command.clone(),
        name: None,
        version: None,
        claims: Default::default(),
        producer: None,
    };
    let report = report_of(&run, subject, seed, date, begin.elapsed());
    judge::finish(&report, &options.run, run.interrupted)
}

/// A profile that nothing belongs to would silently run nothing.
fn check_profiles(wanted: &[String], fixtures: &[Fixture]) -> Result<()> {
    match wanted
        .iter()
        .find(|name| !fixtures.iter().any(|f| f.profile() == **name))
    {
        None => Ok(()),
        Some(name) => Err(Error::usage(
            format!("there is no profile `{name}` here"),
            "adapters have one for each source, such as adapter/aws.s3",
        )),
    }
}

struct Bench<'a> {
    stage: &'a Stage,
    options: &'a Adapter,
    known: &'a KnownFailures,
}

/// What one run gave.
struct Output {
    stdout: String,
    stderr: String,
    exit: Option<i32>,
    ended: String,
}

/// What was expected, and what came.
type Difference = Option<(String, String)>;

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
                    break;
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
        match self.adapt(fixture) {
            Err(reason) => {
                result.verdict = Verdict::Error;
                result.reason = Some(reason);
            }
            Ok(output) => {
                if let Some((expected, actual)) = difference(fixture, &output) {
                    result.verdict = Verdict::Fail;
                    result.expected = Some(expected);
                    result.actual = Some(actual);
                    result.reproduce = Some(self.again(fixture));
                    result.stderr = Some(output.stderr).filter(|stderr| !stderr.is_empty());
                }
            }
        }
        result.duration_ms = begin.elapsed().as_millis() as u64;
        result
    }

    /// Runs the command on a fixture, to its end or to the deadline.
    fn adapt(&self, fixture: &Fixture) -> Result<Output, String> {
        let failed = |e: std::io::Error| format!("the adapter can't be run: {e}");
        let folder = tempfile::tempdir().map_err(failed)?;
        let (delivery, payload) = (
            folder.path().join("delivery.json"),
            folder.path().join("payload"),
        );
        fs::write(&delivery, &fixture.delivery).map_err(failed)?;
        fs::write(&payload, &fixture.payload).map_err(failed)?;
        let mut argv: Vec<String> = self
            .options
            .command
            .iter()
            .map(|word| word.replace("{source}", &fixture.source))
            .collect();
        argv.extend(["--delivery".to_owned(), delivery.display().to_string()]);
        let stdin = match &fixture.truth {
            Truth::Reply { answers, .. } => {
                argv.extend([
                    "--reply".to_owned(),
                    "--payload".to_owned(),
                    payload.display().to_string(),
                ]);
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
                None if interrupt::raised() => return Err("the suite was interrupted".to_owned()),
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
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
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

fn result(fixture: &Fixture, verdict: Verdict) -> CaseResult {
    CaseResult::new(
        fixture.id.clone(),
        fixture.profile(),
        fixture.rules(),
        verdict,
    )
}

fn difference(fixture: &Fixture, output: &Output) -> Difference {
    let lines: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let came = || {
        format!(
            "{} with {} lines on stdout: {}",
            output.ended,
            lines.len(),
            cut(&output.stdout)
        )
    };
    match &fixture.truth {
        Truth::Refused { pointer } => {
            let refused = output.exit == Some(UNMAPPABLE) && lines.is_empty();
            let placed = output.stderr.contains(pointer.as_str());
            (!refused || !placed).then(|| {
                let expected = format!(
                    "exit status {UNMAPPABLE}, no event, and the place `{pointer}` on stderr"
                );
                (
                    expected,
                    format!("{}; on stderr: {}", came(), cut(&output.stderr)),
                )
            })
        }
        _ if output.exit != Some(0) => Some((
            "exit status 0".to_owned(),
            format!("{}; on stderr: {}", came(), cut(&output.stderr)),
        )),
        Truth::Events { notice, .. } => {
            let events = match fixture.events() {
                Ok(events) => events,
                Err(e) => return Some(("a fixture that can be used".to_owned(), e)),
            };
            if events.len() != lines.len() {
                return Some((format!("{} events, one a line", events.len()), came()));
            }
            if *notice && events.is_empty() && output.stderr.trim().is_empty() {
                return Some((
                    "a word on stderr about what is no event".to_owned(),
                    "nothing".to_owned(),
                ));
            }
            let pairs = events.iter().zip(&lines).enumerate();
            pairs.into_iter().find_map(|(index, (expected, line))| {
                let (expected, actual) = different_event(expected, line, &fixture.payload)?;
                Some((format!("event {index}: {expected}"), actual))
            })
        }
        Truth::Reply { response, .. } => match lines.first() {
            None => Some((format!("the response {}", cut(response)), came())),
            Some(line) => different_response(response, line),
        },
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(2000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.trim_end().to_owned(),
    }
}

/// Attributes have to be equal, a time that stands so in the payload to the character, and data to the digit.
fn different_event(expected: &str, line: &str, payload: &[u8]) -> Difference {
    let fault = |e: String| Some((cut(expected), format!("{e}: {}", cut(line))));
    let (wanted, came) = match (
        Event::from_json(expected.to_owned()),
        Event::from_json(line.to_owned()),
    ) {
        (Ok(wanted), Ok(came)) => (wanted, came),
        (Err(e), _) => return fault(format!("the fixture: {e}")),
        (_, Err(e)) => return fault(format!("no valid event: {e}")),
    };
    let time = |event: &Event| event.time().map(ToString::to_string);
    let said = String::from_utf8_lossy(payload);
    let verbatim = time(&wanted).is_some_and(|time| said.contains(&time));
    let same_time = !verbatim || time(&wanted) == time(&came);
    let data = |event: &Event| match event.data() {
        Some(Data::Json(json)) => document::canonical(json.as_str()).ok(),
        _ => None,
    };
    let same = wanted == came && same_time && data(&wanted) == data(&came);
    (!same).then(|| (cut(expected), cut(line)))
}

fn different_response(expected: &str, line: &str) -> Difference {
    let same = || -> Result<bool, String> {
        let members = document::members(expected)?;
        if let Some(value) = members.get("value") {
            return Ok(meant(value)? == meant(line)?);
        }
        let (expected, came): (Value, Value) =
            match (serde_json::from_str(expected), serde_json::from_str(line)) {
                (Ok(expected), Ok(came)) => (expected, came),
                (expected, came) => {
                    return Err(expected
                        .and(came)
                        .err()
                        .map(|e| e.to_string())
                        .unwrap_or_default());
                }
            };
        if let Some(url) = expected.get("visit") {
            return Ok(came.get("visit") == Some(url));
        }
        let expected = &expected["http"];
        let text = |response: &Value| match response.get("body_base64").and_then(Value::as_str) {
            Some(base64) => BASE64.decode(base64.as_bytes()).unwrap_or_default(),
            None => response
                .get("body")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .as_bytes()
                .to_vec(),
        };
        Ok(expected["status"] == came["status"]
            && headers(expected) == headers(&came)
            && (text(expected) == text(&came)
                || is_json(expected) && same_json(&text(expected), &text(&came))))
    };
    match same() {
        Ok(true) => None,
        Ok(false) => Some((cut(expected), cut(line))),
        Err(e) => Some((cut(expected), format!("{e}: {}", cut(line)))),
    }
}

/// What an invocation returns, in canonical form; so is the text of a JSON body in it, whose white
/// space and order of members mean nothing.
fn meant(text: &str) -> Result<String, String> {
    if !text.trim_start().starts_with('{') {
        return document::canonical(text);
    }
    let json_body = is_json(&serde_json::from_str(text).unwrap_or_default());
    let mut members = document::members(text)?;
    for (name, value) in &mut members {
        let body = match name.as_str() {
            "body" if json_body => serde_json::from_str::<String>(value).ok(),
            _ => None,
        };
        *value = match body.and_then(|body| json_text(body.as_bytes())) {
            Some(body) => Value::from(body).to_string(),
            None => meant(value)?,
        };
    }
    let members = members.iter();
    let members: Vec<_> = members
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}

/// Whether the headers of a response, in any vendor's form, say that its body is JSON.
fn is_json(response: &Value) -> bool {
    let forms = ["headers", "multiValueHeaders"];
    let headers = forms
        .iter()
        .filter_map(|form| response.get(form)?.as_object());
    headers
        .flatten()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .filter_map(|(_, value)| value.as_str().or_else(|| value.get(0)?.as_str()))
        .filter_map(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .any(|kind| kind == "application/json" || kind.ends_with("+json"))
}

fn same_json(expected: &[u8], came: &[u8]) -> bool {
    json_text(expected).is_some_and(|expected| json_text(came) == Some(expected))
}

/// The canonical form of a JSON text; None if it is none.
fn json_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    document::canonical(text).ok()
}

/// Names in lower case: their case means nothing.
fn headers(response: &Value) -> BTreeMap<String, Value> {
    let headers = response.get("headers").and_then(Value::as_object);
    let pairs = headers.into_iter().flatten();
    pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::different_response;

    #[test]
    fn json_bodies_are_equal_as_values_to_the_digit() {
        let http = |kind: &str, body: &str| {
            format!(
                r#"{{"http":{{"status":200,"headers":{{"content-type":"{kind}"}},"body":"{body}"}}}}"#
            )
        };
        let came = |kind: &str, body: &str| {
            format!(r#"{{"status":200,"headers":{{"Content-Type":"{kind}"}},"body":"{body}"}}"#)
        };
        let (one, same, other) = (
            r#"{\"a\":1.0,\"b\":2}"#,
            r#"{ \"b\": 2, \"a\": 1.0 }"#,
            r#"{\"a\":1.00,\"b\":2}"#,
        );
        for kind in [
            "application/json",
            "application/problem+json; charset=utf-8",
        ] {
            assert_eq!(
                different_response(&http(kind, one), &came(kind, same)),
                None
            );
            assert!(different_response(&http(kind, one), &came(kind, other)).is_some());
            assert!(different_response(&http(kind, one), &came(kind, "{")).is_some());
        }
        // Of text every character counts.
        assert!(different_response(&http("text/plain", one), &came("text/plain", same)).is_some());
    }

    #[test]
    fn so_are_those_inside_what_an_invocation_returns() {
        let proxy = |kind: &str, body: &str| {
            format!(
                r#"{{"statusCode":200,"multiValueHeaders":{{"Content-Type":["{kind}"]}},"body":"{body}"}}"#
            )
        };
        let (one, same, other) = (r#"{\"a\":[1]}"#, r#"{ \"a\": [1] }"#, r#"{\"a\":[2]}"#);
        let wrap = |response: String| format!(r#"{{"value":{{"Outputs":{{"res":{response}}}}}}}"#);
        let nested = |response: String| format!(r#"{{"Outputs":{{"res":{response}}}}}"#);
        let differ = |kind, body| {
            different_response(&wrap(proxy(kind, one)), &nested(proxy(kind, body))).is_some()
        };
        assert!(!differ("application/json", same));
        assert!(differ("application/json", other));
        assert!(differ("text/plain", same));
    }
}
