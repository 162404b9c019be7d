//! The steps by which the suite listens: `expect`, `await`, `nothing-else`, `wait`, `stderr`.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use libfaas::Mode;
use serde_json::{Value, json};
use signal_hook::consts::{SIGPIPE, SIGTERM};

use super::{STEP, Script};
use crate::expect::{kept, mismatch, shortened, text_matches};
use crate::finding::{Finding, Outcome, Stop};
use crate::incoming::{Item, event_json, raw_view};
use crate::outgoing;
use crate::running::{Running, seconds};
use crate::step::{Ending, EndingName, Expect, Stderr, Wait};
use crate::subject::describe;

/// What of a message comes as a thing of its own, in the order in which the fields apply.
const PARTS: [&str; 4] = ["hello", "event", "end", "cancel"];

impl Script<'_> {
    pub(super) fn expect(&mut self, expect: &Expect, skip: bool) -> Outcome {
        self.running()?.subject.stall(false);
        for pattern in &expect.patterns {
            let within = self.within(expect.within.as_ref());
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
        let known = |name: &String| name == "call" || name == "context" || PARTS.contains(&&**name);
        let names = filled.as_object().into_iter().flat_map(|o| o.keys());
        if let Some(name) = names.into_iter().find(|name| !known(name)) {
            return Err(Stop::Suite(format!(
                "the pattern {pattern} names `{name}`, by which nothing comes"
            )));
        }
        for what in PARTS {
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
                let expected = self.expected(call, what, part);
                let (mode, scale) = (self.mode, self.scale);
                let mut finding = self
                    .running()?
                    .absence(expected, began.elapsed(), mode, scale);
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
                None => {
                    self.keep(&self.values().fill(part), item.view());
                    return Ok(());
                }
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
                let wanted = raw_view(&outgoing::data(&expected));
                // Equal, not matched: `…` in it stands for itself.
                return Ok((wanted != *item.view())
                    .then(|| format!("it is not the same as {}", shortened(&wanted))));
            }
            // As it looks to whoever reads it in this encoding: JSON does not tell a URI from a string.
            let expected = outgoing::through(&expected, self.encoding).map_err(Stop::Suite)?;
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

    pub(super) fn nothing_else(&mut self) -> Outcome {
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
            let incoming = &running.incoming;
            let begun = |call: u64| format!("for call {call} an event that is not complete");
            incoming
                .left()
                .find(|(call, item)| (*call, item.what) != (0, "hello"))
                .map(|(call, item)| said(call, item))
                .or_else(|| incoming.unfinished().map(begun))
                .map(|actual| (actual, None))
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

    pub(super) fn wait(&mut self, wait: &Wait) -> Outcome {
        let within = self.within(wait.within.as_ref());
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

    pub(super) fn stderr(&mut self, wanted: &Stderr) -> Outcome {
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
        if !wanted.absent {
            self.until(deadline, |r| ended(r) || !wanted.last && has(r))?;
        }
        let running = self.running()?;
        if wanted.absent {
            return match has(running) {
                false => Ok(()),
                true => Err(Stop::Finding(Finding {
                    expected: format!("no {:?} on stderr", wanted.text),
                    actual: "it is there".to_owned(),
                    ..Finding::default()
                })),
            };
        }
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
    /// Remembers what a pattern names with `$keep:`.
    pub(super) fn keep(&mut self, pattern: &Value, actual: &Value) {
        let found = kept(pattern, actual);
        if !found.is_empty() {
            let mut facts = (*self.facts).clone();
            facts.extend(found);
            self.facts = facts.into();
        }
    }

    pub(super) fn next_item(&mut self, call: u64, deadline: Instant) -> Outcome<Option<Item>> {
        self.until(deadline, |r| {
            r.incoming.peek(call).is_some() || r.incoming.broken.is_some() || r.finished
        })?;
        Ok(self.running()?.incoming.pop(call))
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
