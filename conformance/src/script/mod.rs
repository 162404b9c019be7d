//! Runs the steps of one case against one subject.

mod around;
mod hear;
mod say;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfaas::{Encoding, Mode};
use rustix::process::Signal;
use serde_json::{Value, json};

use self::around::Around;
use crate::case::Case;
use crate::event::Events;
use crate::expect::PRODUCER;
use crate::finding::{Outcome, Stop};
use crate::incoming::Incoming;
use crate::interrupt;
use crate::outgoing::{self, Encoded, Values};
use crate::running::Running;
use crate::step::{SignalName, Start, Stdio, Step, Within};
use crate::subject::Subject;
use crate::target::{Claim, Target};

/// Time for a hello: the specification's own default.
const INIT: f64 = 10.0;
/// Time for anything else, unless the step says otherwise.
const STEP: f64 = 5.0;

/// One run of one case.
#[derive(Debug)]
pub struct Script<'a> {
    claim: &'a Claim,
    case: &'a Case,
    target: Target,
    /// The target's, unless a step asked for mode `describe`, whose output is plain bytes. A driver
    /// is spoken to in stream mode, whatever the function's.
    mode: Mode,
    /// What is spoken over stdio: the target's, or JSON to a driver.
    encoding: Encoding,
    events: &'a Events,
    scale: f64,
    n: u64,
    facts: Arc<BTreeMap<String, Value>>,
    running: Option<Running>,
    around: Around,
}

impl<'a> Script<'a> {
    /// A run that has done nothing yet.
    pub fn new(
        claim: &'a Claim,
        case: &'a Case,
        target: Target,
        events: &'a Events,
        scale: f64,
    ) -> Script<'a> {
        let wire = claim.wire(target);
        Script {
            claim,
            case,
            target,
            mode: wire.mode,
            encoding: wire.encoding,
            events,
            scale,
            n: 0,
            facts: Arc::default(),
            running: None,
            around: Around::default(),
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
                let outer = self.n;
                for n in 1..=repeat.repeat {
                    self.n = n;
                    self.run(&repeat.steps)?;
                }
                self.n = outer;
                Ok(())
            }
            Step::Processes(processes) => self.processes(processes),
            Step::Leaks(leaks) => self.leaks(*leaks),
            Step::Lures(_) => self.lures(),
            Step::Http(http) => self.http(http),
            Step::HangUp(name) => self.hang_up(name),
        }
    }

    fn values(&self) -> Values<'a> {
        Values {
            events: self.events,
            n: self.n,
            facts: Arc::clone(&self.facts),
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
        let stages = self.stages(start)?;
        let mut env = self.claim.environment(self.target);
        if let Some(deployment) = &self.around.deployment {
            env.extend(deployment.environment());
        } else if self.target.mode != Mode::Stream {
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
            self.claim.wire(self.target).mode
        };
        let limit = env
            .get("FAAS_MAX_MESSAGE_BYTES")
            .and_then(|v| v.parse().ok())
            .unwrap_or(16 << 20);
        let subject = Subject::start(&stages, &env)
            .map_err(|e| Stop::Suite(format!("the subject can't be started: {e}")))?;
        let incoming = Incoming::new(self.mode, self.encoding, limit);
        self.running = Some(Running {
            subject,
            incoming,
            finished: false,
        });
        if self.mode == Mode::Stream && start.hello {
            let hello = json!({"call": 0, "hello": {"fsi": "1.0", "producer": PRODUCER}});
            let Encoded { bytes, text } = self
                .values()
                .message(&hello, self.encoding)
                .map_err(Stop::Suite)?;
            self.running()?.subject.write(bytes, false, Some(text));
        }
        Ok(())
    }

    fn stall(&mut self, seconds: f64) -> Outcome {
        let deadline = Instant::now() + self.scaled(seconds);
        self.running()?.subject.stall(true);
        self.until(deadline, |r| r.subject.stdout_full())
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

    /// From now; while the subject has not spoken at all, its initialisation time counts too.
    fn deadline(&mut self, within: Duration) -> Outcome<Instant> {
        let init = self.scaled(INIT) + self.claim.times().init;
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

    /// The time that a step names, or the usual.
    fn within(&self, within: Option<&Within>) -> Duration {
        let Some(within) = within else {
            return self.scaled(STEP);
        };
        let times = self.claim.times();
        let stated = within.stated.iter().map(|name| times.named(name));
        self.scaled(within.seconds) + stated.sum::<Duration>()
    }

    fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.scale)
    }
}
