//! Runs the steps of one case against one subject.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use libfaas::Mode;
use rustix::process::Signal;
use serde_json::{Value, json};
use signal_hook::consts::{SIGPIPE, SIGTERM};

use crate::event::Events;
use crate::expect::{PRODUCER, mismatch, shortened, text_matches};
use crate::incoming::{Incoming, Item, event_json, raw_view};
use crate::interrupt;
use crate::outgoing::{self, Encoded, Values};
use crate::step::{
    Cut, Ending, EndingName, Expect, Invoke, Raw, Send, SignalName, Start, Stderr, Stdio, Step,
    Wait,
};
use crate::subject::{Subject, describe};
use crate::target::{Claim, Target};

/// Time for a hello: the specification's own default.
const INIT: f64 = 10.0;
/// Time for anything else, unless the step says otherwise.
const STEP: f64 = 5.0;
/// Time that a silent subject gets after EOF, to find out why it was silent.
const AFTER_EOF: f64 = 2.0;
/// Bytes that a subject may write in one case before it counts as a flood.
const FLOOD: u64 = 256 << 20;

/// Why the steps ended early.
#[derive(Debug)]
pub enum Stop {
    /// The subject does not do what the case expects.
    Finding(Finding),
    /// The suite can't do what the case says; no fault of the subject.
    Suite(String),
    /// A signal told the suite to stop.
    Interrupted,
}

/// What was expected, what came, and what may help.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// What the subject should have done.
    pub expected: String,
    /// What it did.
    pub actual: String,
    /// A likely cause, and what to do.
    pub hint: Option<String>,
    /// The rule that its bytes break, where the decoder knows it.
    pub rule: Option<String>,
}

/// One run of one case.
#[derive(Debug)]
pub struct Script<'a> {
    claim: &'a Claim,
    target: Target,
    /// The target's, unless a step asked for mode `describe`, whose output is plain bytes.
    mode: Mode,
    events: &'a Events,
    scale: f64,
    n: u64,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    subject: Subject,
    incoming: Incoming,
    finished: bool,
}

type Outcome<T = ()> = Result<T, Stop>;

impl<'a> Script<'a> {
    /// A run that has done nothing yet.
    pub fn new(claim: &'a Claim, target: Target, events: &'a Events, scale: f64) -> Script<'a> {
        Script {
            claim,
            target,
            mode: target.mode,
            events,
            scale,
            n: 0,
            running: None,
        }
    }

    /// Does the steps in order.
    pub fn run(&mut self, steps: &[Step]) -> Outcome {
        steps.iter().try_for_each(|step| self.step(step))
    }

    /// The subject that ran last, for the report.
    pub fn subject(&self) -> Option<&Subject> {
        self.running.as_ref().map(|r| &r.subject)
    }

    /// What the subject's hello said of its maker.
    pub fn producer(&self) -> Option<&str> {
        self.running.as_ref()?.incoming.producer.as_deref()
    }

    fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Start(start) => self.start(start, &BTreeMap::new()),
            Step::Invoke(invoke) => self.invoke(invoke),
            Step::Send(send) => self.send(send),
            Step::Raw(raw) => self.raw(raw),
            Step::Expect(expect) => self.expect(expect, false),
            Step::Await(expect) => self.expect(expect, true),
            Step::NothingElse => self.nothing_else(),
            Step::Close(stream) => {
                let subject = &mut self.running()?.subject;
                match stream {
                    Stdio::Stdin => subject.close_stdin(),
                    Stdio::Stdout => subject.close_stdout(),
                }
                Ok(())
            }
            Step::Signal(signal) => {
                let (number, name) = match signal.signal {
                    SignalName::Term => (Signal::TERM, "TERM"),
                    SignalName::Kill => (Signal::KILL, "KILL"),
                };
                self.running()?.subject.signal(number, name, signal.stage);
                Ok(())
            }
            Step::Wait(wait) => self.wait(wait),
            Step::Stall(seconds) => self.stall(*seconds),
            Step::Stderr(stderr) => self.stderr(stderr),
            Step::Repeat(repeat) => {
                for n in 1..=repeat.repeat {
                    self.n = n;
                    self.run(&repeat.steps)?;
                }
                Ok(())
            }
        }
    }

    fn values(&self) -> Values<'a> {
        Values {
            events: self.events,
            n: self.n,
        }
    }

    fn running(&mut self) -> Outcome<&mut Running> {
        self.running
            .as_mut()
            .ok_or_else(|| Stop::Suite("the case has a step before `start`".to_owned()))
    }

    fn start(&mut self, start: &Start, more: &BTreeMap<String, String>) -> Outcome {
        // Ends what ran before, if anything.
        self.running = None;
        let mut env = self.claim.environment(self.target);
        if self.target.mode != Mode::Stream {
            env.insert("FAAS_INVOCATION_ID".to_owned(), "invocation-1".to_owned());
            env.insert("FAAS_ATTEMPT".to_owned(), "1".to_owned());
        }
        for template in start.event.iter().flat_map(|texts| &texts.0) {
            let event = self.values().any_event(template).map_err(Stop::Suite)?;
            if self.mode == Mode::Binary {
                env.extend(outgoing::attributes(&event));
            }
        }
        env.extend(start.env.clone());
        env.extend(more.clone());
        env.retain(|_, value| value != "$absent");
        let describe = env.get("FAAS_MODE").is_some_and(|mode| mode == "describe");
        self.mode = if describe {
            Mode::Binary
        } else {
            self.target.mode
        };
        let limit = env
            .get("FAAS_MAX_MESSAGE_BYTES")
            .and_then(|v| v.parse().ok())
            .unwrap_or(16 << 20);
        let subject = Subject::start(&self.claim.stages, &env)
            .map_err(|e| Stop::Suite(format!("the subject can't be started: {e}")))?;
        let incoming = Incoming::new(self.mode, self.target.encoding, limit);
        self.running = Some(Running {
            subject,
            incoming,
            finished: false,
        });
        if self.mode == Mode::Stream && start.hello {
            let hello = json!({"call": 0, "hello": {"fsi": "1.0", "producer": PRODUCER}});
            let Encoded { bytes, text } = self
                .values()
                .message(&hello, self.target.encoding)
                .map_err(Stop::Suite)?;
            self.running()?.subject.write(bytes, false, Some(text));
        }
        Ok(())
    }

    fn invoke(&mut self, invoke: &Invoke) -> Outcome {
        let events: Vec<Value> = invoke.events().cloned().collect();
        let first = events
            .first()
            .cloned()
            .map(|e| crate::step::JsonTexts(vec![e]));
        self.start(
            &Start {
                event: first,
                ..Start::default()
            },
            &invoke.env,
        )?;
        for event in &events {
            let (bytes, text) = self.document(event)?;
            self.running()?.subject.write(bytes, false, Some(text));
        }
        self.running()?.subject.close_stdin();
        Ok(())
    }

    /// An event as a one-shot mode writes it to stdin.
    fn document(&self, event: &Value) -> Outcome<(Vec<u8>, String)> {
        if self.mode == Mode::Binary {
            let data = outgoing::data(&self.values().any_event(event).map_err(Stop::Suite)?);
            let text = String::from_utf8_lossy(&data).into_owned();
            return Ok((data, text));
        }
        let Encoded { bytes, text } = self
            .values()
            .document(event, self.target.encoding)
            .map_err(Stop::Suite)?;
        Ok((bytes, text))
    }

    fn send(&mut self, send: &Send) -> Outcome {
        let mut writes = Vec::new();
        for message in send.messages() {
            writes.push(match self.mode {
                Mode::Stream => {
                    let Encoded { bytes, text } = self
                        .values()
                        .message(message, self.target.encoding)
                        .map_err(Stop::Suite)?;
                    (bytes, text)
                }
                _ => self.document(message)?,
            });
        }
        self.write(writes, send.write)
    }

    fn raw(&mut self, raw: &Raw) -> Outcome {
        match outgoing::raw(&raw.raw, self.target.encoding) {
            Some(Ok(bytes)) => {
                let text = match std::str::from_utf8(&bytes) {
                    Ok(text)
                        if bytes
                            .iter()
                            .all(|b| (b' '..0x7f).contains(b) || *b == b'\n') =>
                    {
                        text.trim_end().to_owned()
                    }
                    _ => "raw bytes".to_owned(),
                };
                self.write(vec![(bytes, text)], raw.write)
            }
            Some(Err(e)) => Err(Stop::Suite(e)),
            None => Err(Stop::Suite(format!(
                "`raw` has no bytes for {}",
                self.target.encoding
            ))),
        }
    }

    fn write(&mut self, messages: Vec<(Vec<u8>, String)>, cut: Cut) -> Outcome {
        let n = self.n;
        let subject = &mut self.running()?.subject;
        match cut {
            Cut::Each => messages
                .into_iter()
                .for_each(|(bytes, text)| subject.write(bytes, false, Some(text))),
            Cut::Together => {
                let texts: Vec<&str> = messages.iter().map(|(_, text)| text.as_str()).collect();
                let label = texts.join("\n");
                let bytes = messages
                    .iter()
                    .flat_map(|(bytes, _)| bytes.iter().copied())
                    .collect();
                subject.write(bytes, false, Some(label));
            }
            Cut::Bytes => {
                for (bytes, text) in messages {
                    let last = bytes.len().saturating_sub(1);
                    for (at, byte) in bytes.into_iter().enumerate() {
                        subject.write(vec![byte], true, (at == last).then(|| text.clone()));
                    }
                }
            }
            Cut::Split => {
                for (bytes, text) in messages {
                    let at =
                        1 + (n as usize).saturating_sub(1) % bytes.len().saturating_sub(1).max(1);
                    let (first, second) = bytes.split_at(at.min(bytes.len()));
                    subject.write(first.to_vec(), true, None);
                    subject.write(second.to_vec(), true, Some(text));
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, expect: &Expect, skip: bool) -> Outcome {
        self.running()?.subject.stall(false);
        for pattern in &expect.patterns {
            let within = self.scaled(expect.within.unwrap_or(STEP));
            self.expect_one(pattern, within, skip)?;
        }
        Ok(())
    }

    /// Matches the parts of one pattern, in the order in which the fields of a message apply.
    fn expect_one(&mut self, pattern: &Value, within: Duration, skip: bool) -> Outcome {
        if self.mode != Mode::Stream {
            return self.expect_part(0, "event", pattern, within, skip);
        }
        let filled = self.values().fill(&without_event(pattern));
        let Some(call) = filled.get("call").and_then(Value::as_u64) else {
            return Err(Stop::Suite(format!(
                "the pattern {pattern} names no `call`"
            )));
        };
        for what in ["hello", "event", "end", "cancel"] {
            let part = if what == "event" {
                pattern.get(what)
            } else {
                filled.get(what)
            };
            if let Some(part) = part {
                self.expect_part(call, what, part, within, skip)?;
            }
        }
        if let Some(context) = filled.get("context") {
            return self.expect_context(call, context, within);
        }
        Ok(())
    }

    fn expect_part(
        &mut self,
        call: u64,
        what: &'static str,
        part: &Value,
        within: Duration,
        skip: bool,
    ) -> Outcome {
        let (began, deadline) = (Instant::now(), self.deadline(within)?);
        let mut skipped: Option<String> = None;
        loop {
            let came = self.next_item(call, deadline)?;
            let Some(item) = came else {
                let mut finding = self.absence(self.expected(call, what, part), began.elapsed());
                if let Some(why) = skipped {
                    finding.actual = format!("{}; before that came {why}", finding.actual);
                }
                return Err(Stop::Finding(finding));
            };
            let why = match item.what == what {
                true => self.part_mismatch(part, &item)?,
                false => Some(format!(
                    "a message with `{}`: {}",
                    item.what,
                    shortened(item.view())
                )),
            };
            match why {
                None => return Ok(()),
                Some(why) if skip => skipped = Some(why),
                Some(why) => {
                    let actual = if item.what == what {
                        format!("{}\n{why}", said(call, &item))
                    } else {
                        said(call, &item)
                    };
                    let expected = self.expected(call, what, part);
                    return Err(Stop::Finding(Finding {
                        expected,
                        actual,
                        ..Finding::default()
                    }));
                }
            }
        }
    }

    /// What is wrong with an item, if anything.
    fn part_mismatch(&self, part: &Value, item: &Item) -> Outcome<Option<String>> {
        if let Some(expected) = self.values().event(part).map_err(Stop::Suite)? {
            if self.mode == Mode::Binary {
                return Ok(mismatch(&raw_view(&outgoing::data(&expected)), item.view()));
            }
            // As it looks to whoever reads it in this encoding: JSON does not tell a URI from a string.
            let expected =
                outgoing::through(&expected, self.target.encoding).map_err(Stop::Suite)?;
            if item.event.as_ref() == Some(&expected) {
                return Ok(None);
            }
            let wanted = event_json(&expected);
            return Ok(Some(
                mismatch(&wanted, item.view())
                    .or_else(|| surplus(&wanted, item.view()))
                    .unwrap_or_else(|| {
                        let came = item
                            .event
                            .as_ref()
                            .map(|e| format!("{e:?}"))
                            .unwrap_or_default();
                        format!("types or kinds differ: expected {expected:?}, got {came}")
                    }),
            ));
        }
        Ok(mismatch(&self.values().fill(part), item.view()))
    }

    fn expect_context(&mut self, call: u64, pattern: &Value, within: Duration) -> Outcome {
        let deadline = self.deadline(within)?;
        self.until(deadline, |r| r.incoming.spoke_of(call))?;
        let Some(running) = &self.running else {
            unreachable!("a subject runs")
        };
        let came = running.incoming.context(call).cloned();
        let why = match &came {
            Some(context) => mismatch(pattern, context),
            None => (pattern != "$absent").then(|| "no context".to_owned()),
        };
        match why {
            None => Ok(()),
            Some(why) => Err(Stop::Finding(Finding {
                expected: format!(
                    "the first message for call {call} with the context {}",
                    shortened(pattern)
                ),
                actual: why,
                ..Finding::default()
            })),
        }
    }

    fn nothing_else(&mut self) -> Outcome {
        let within = self.scaled(STEP);
        let deadline = self.deadline(within)?;
        self.running()?.subject.stall(false);
        self.until(deadline, |r| r.finished)?;
        let running = self.running()?;
        let finding = if let Some(broken) = &running.incoming.broken {
            Some((broken.what.clone(), Some(broken.rule.clone())))
        } else if !running.finished {
            Some((
                format!("stdout is still open after {}", seconds(within)),
                None,
            ))
        } else {
            running
                .incoming
                .left()
                .find(|(call, item)| (*call, item.what) != (0, "hello"))
                .map(|(call, item)| (said(call, item), None))
        };
        match finding {
            None => Ok(()),
            Some((actual, rule)) => Err(Stop::Finding(Finding {
                expected: "the end of the output, and nothing more before it".to_owned(),
                actual,
                rule,
                hint: None,
            })),
        }
    }

    fn wait(&mut self, wait: &Wait) -> Outcome {
        let within = self.scaled(wait.within.unwrap_or(STEP));
        let deadline = self.deadline(within)?;
        self.running()?.subject.stall(false);
        self.until(deadline, |r| r.subject.exit().is_some() && r.finished)?;
        let endings: Vec<&Ending> = wait.endings().collect();
        let expected: Vec<String> = endings.iter().map(|e| ending(e)).collect();
        let expected = format!("the process to end: {}", expected.join(" or "));
        let is_stream = self.mode == Mode::Stream;
        let running = self.running()?;
        let Some(exit) = running.subject.exit() else {
            let hint = match is_stream {
                true => "EOF on stdin means: finish the calls that are complete, flush, exit.",
                false => {
                    "In this mode a process lives for one invocation: read stdin to EOF, write the result, exit."
                }
            };
            let hint = Some(hint.to_owned());
            return Err(Stop::Finding(Finding {
                expected,
                actual: format!("it is still running after {}", seconds(within)),
                hint,
                rule: None,
            }));
        };
        if endings.iter().any(|e| ends_so(e, exit)) {
            return Ok(());
        }
        let rule = running.incoming.broken.as_ref().map(|b| b.rule.clone());
        let what = running.incoming.broken.as_ref().map_or(String::new(), |b| {
            format!("; its output can't be read: {}", b.what)
        });
        Err(Stop::Finding(Finding {
            expected,
            actual: format!("it {}{what}", describe(exit)),
            rule,
            hint: None,
        }))
    }

    fn stall(&mut self, seconds: f64) -> Outcome {
        let deadline = Instant::now() + self.scaled(seconds);
        self.running()?.subject.stall(true);
        self.until(deadline, |r| r.subject.stdout_full())
    }

    fn stderr(&mut self, wanted: &Stderr) -> Outcome {
        let within = self.scaled(STEP);
        let deadline = self.deadline(within)?;
        let has = |r: &Running| {
            let log = r.subject.stderr().0;
            match (wanted.text.as_str(), wanted.last) {
                ("$any", _) => !log.trim().is_empty(),
                (text, false) => text_matches(&format!("…{text}…"), &log),
                (text, true) => {
                    let last = log.lines().rfind(|line| !line.trim().is_empty());
                    last.is_some_and(|last| text_matches(&format!("…{text}…"), last))
                }
            }
        };
        let ended =
            |r: &Running| r.finished && r.subject.exit().is_some() && r.subject.stderr_ended();
        self.until(deadline, |r| ended(r) || !wanted.last && has(r))?;
        let running = self.running()?;
        match has(running) {
            true => Ok(()),
            false => Err(Stop::Finding(Finding {
                expected: match (wanted.text.as_str(), wanted.last) {
                    ("$any", _) => "something on stderr".to_owned(),
                    (text, false) => format!("`{text}` on stderr"),
                    (text, true) => format!("`{text}` in the last line of stderr"),
                },
                actual: match running.subject.stderr().1 {
                    0 => "stderr is empty".to_owned(),
                    n => format!("stderr has {n} bytes, and not that"),
                },
                ..Finding::default()
            })),
        }
    }

    /// The next item of a call, or `None` if none comes.
    fn next_item(&mut self, call: u64, deadline: Instant) -> Outcome<Option<Item>> {
        self.until(deadline, |r| {
            r.incoming.peek(call).is_some() || r.incoming.broken.is_some() || r.finished
        })?;
        Ok(self.running()?.incoming.pop(call))
    }

    /// Does what can be done until `done`, or the deadline.
    fn until(&mut self, deadline: Instant, done: impl Fn(&Running) -> bool) -> Outcome {
        let running = self.running()?;
        let mut bytes = Vec::new();
        while !done(running) && Instant::now() < deadline {
            if interrupt::raised() {
                return Err(Stop::Interrupted);
            }
            running.turn(deadline, &mut bytes)?;
        }
        Ok(())
    }

    /// Why something that was expected did not come.
    fn absence(&mut self, expected: String, waited: Duration) -> Finding {
        let scale = self.scale;
        let mode = self.mode;
        let Some(running) = &mut self.running else {
            unreachable!("a subject runs")
        };
        let mut finding = Finding {
            expected,
            ..Finding::default()
        };
        if let Some(broken) = &running.incoming.broken {
            finding.actual = format!("stdout can't be understood: {}", broken.what);
            finding.rule = Some(broken.rule.clone());
            if running.incoming.producer.is_none() && mode == Mode::Stream {
                finding.hint = Some("Nothing but messages may go to stdout. What a function prints for people belongs on stderr.".into());
            }
            return finding;
        }
        if running.finished {
            running.wait_for_exit(scale);
            finding.actual = match (running.subject.exit(), running.subject.first_exit()) {
                (Some(exit), _) => format!("the process {} instead", describe(exit)),
                (None, Some((stage, exit))) => format!("stage {stage} {} instead", describe(exit)),
                (None, None) => "the subject closed its stdout instead".to_owned(),
            };
            if mode == Mode::Stream && running.incoming.producer.is_none() {
                finding.hint = Some("In stream mode a process serves many calls: it writes its hello, answers messages, and exits only after EOF on stdin.".to_owned());
            }
            return finding;
        }
        let (_, logged) = running.subject.stderr();
        let more = if running.subject.received() == 0 {
            ""
        } else {
            " more"
        };
        let mut actual = format!(
            "nothing{more} on stdout for {}; the process is running",
            seconds(waited)
        );
        if let Some((stage, exit)) = running.subject.first_exit() {
            actual.push_str(&format!("; stage {stage} {}", describe(exit)));
        }
        if logged > 1 << 20 {
            actual.push_str(&format!(", and wrote {} MiB to stderr", logged >> 20));
        }
        finding.actual = actual;
        if mode == Mode::Stream {
            finding.hint = Some(running.what_eof_brings(scale));
        }
        finding
    }

    fn expected(&self, call: u64, what: &str, part: &Value) -> String {
        let part = match self.values().event(part) {
            Ok(Some(event)) => event_json(&event),
            _ => self.values().fill(part),
        };
        match (self.mode, what) {
            (Mode::Binary, _) => format!("the output {}", shortened(&part)),
            (Mode::Structured, _) => format!("the event {}", shortened(&part)),
            (_, "hello") => format!(
                "a hello as the first message, such as {}",
                json!({"call": 0, "hello": {"fsi": "1.0", "producer": "…"}})
            ),
            _ if part == "$any" => format!("`{what}` for call {call}"),
            _ => format!("for call {call} `{what}`: {}", shortened(&part)),
        }
    }

    /// From now; while the subject has not spoken at all, its initialisation time counts too.
    fn deadline(&mut self, within: Duration) -> Outcome<Instant> {
        let init = self.scaled(INIT);
        let is_stream = self.mode == Mode::Stream;
        let running = self.running()?;
        let starting = is_stream && running.subject.received() == 0;
        let init_left = if starting {
            init.saturating_sub(running.subject.age())
        } else {
            Duration::ZERO
        };
        Ok(Instant::now() + within.max(init_left))
    }

    fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.scale)
    }
}

impl Running {
    fn turn(&mut self, deadline: Instant, bytes: &mut Vec<u8>) -> Outcome {
        bytes.clear();
        self.subject
            .turn(deadline, bytes)
            .map_err(|e| Stop::Suite(format!("the suite can't drive the subject: {e}")))?;
        if !bytes.is_empty() {
            let texts = self.incoming.feed(bytes);
            self.subject.transcript.read(bytes, texts);
            if self.subject.received() > FLOOD && self.incoming.broken.is_none() {
                let what = format!("more than {} MiB on stdout in one case", FLOOD >> 20);
                self.incoming.broken = Some(crate::incoming::Broken {
                    rule: "stdout-only-contract".to_owned(),
                    what,
                });
            }
        }
        if self.subject.stdout_ended() && !self.finished {
            // Binary output counts by the exit status, so it has to be known.
            match self.subject.exit() {
                Some(exit) => self.finish(exit.success()),
                None if !self.incoming.is_raw() => self.finish(true),
                None => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self, succeeded: bool) {
        self.finished = true;
        self.incoming.finish(succeeded);
    }

    /// stdout ends a moment before its process does.
    fn wait_for_exit(&mut self, scale: f64) {
        let deadline = Instant::now() + Duration::from_secs_f64(scale);
        let mut bytes = Vec::new();
        while self.subject.exit().is_none() && Instant::now() < deadline && !interrupt::raised() {
            if self.turn(deadline, &mut bytes).is_err() {
                break;
            }
        }
    }

    /// What a silent subject does when stdin ends: the classic is output that is held back until then.
    fn what_eof_brings(&mut self, scale: f64) -> String {
        let before = self.subject.received();
        self.subject.close_stdin();
        let deadline = Instant::now() + Duration::from_secs_f64(AFTER_EOF * scale);
        let mut bytes = Vec::new();
        while Instant::now() < deadline
            && self.subject.received() == before
            && !self.finished
            && !interrupt::raised()
        {
            if self.turn(deadline, &mut bytes).is_err() {
                break;
            }
        }
        if self.finished {
            self.wait_for_exit(scale);
        }
        if self.subject.received() > before {
            "Output came as soon as stdin was closed: the function holds it back until EOF. \
             Flush stdout after each message, and read stdin message by message."
        } else if self.finished {
            "It ended as soon as stdin was closed, without having answered: does it read stdin to EOF before it works? \
             In stream mode messages are answered as they come."
        } else {
            "Nothing came when stdin was closed either. If the function only needs longer, give --timeout-scale 3."
        }
        .to_owned()
    }
}

fn without_event(pattern: &Value) -> Value {
    let mut pattern = pattern.clone();
    if let Some(members) = pattern.as_object_mut() {
        members.remove("event");
    }
    pattern
}

fn said(call: u64, item: &Item) -> String {
    match call {
        0 => format!("`{}`: {}", item.what, shortened(item.view())),
        _ => format!(
            "for call {call} `{}`: {}",
            item.what,
            shortened(item.view())
        ),
    }
}

/// Members that were not expected at all, where equality was.
fn surplus(wanted: &Value, came: &Value) -> Option<String> {
    let wanted = wanted.as_object()?;
    let extra = came
        .as_object()?
        .iter()
        .find(|(name, _)| !name.starts_with('$') && !wanted.contains_key(*name))?;
    Some(format!(
        "`{}` was not there: {}",
        extra.0,
        shortened(extra.1)
    ))
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Status(status) => format!("exit status {status}"),
        Ending::Named(EndingName::Any) => "with any status".to_owned(),
        Ending::Named(EndingName::Nonzero) => "an exit status other than 0".to_owned(),
        Ending::Named(EndingName::Sigterm) => "by SIGTERM".to_owned(),
        Ending::Named(EndingName::Sigpipe) => "by SIGPIPE".to_owned(),
    }
}

fn ends_so(ending: &Ending, exit: ExitStatus) -> bool {
    match ending {
        Ending::Status(status) => exit.code() == Some(*status),
        Ending::Named(EndingName::Any) => true,
        Ending::Named(EndingName::Nonzero) => exit.code().is_some_and(|c| c != 0),
        Ending::Named(EndingName::Sigterm) => exit.signal() == Some(SIGTERM),
        Ending::Named(EndingName::Sigpipe) => exit.signal() == Some(SIGPIPE),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
