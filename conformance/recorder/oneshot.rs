//! Binary and structured mode: the input is read whole, then the steps are done.

use libfaas::{Code, Event, EventDecoder, Limits, Mode};
use serde_json::{Value, json};

use crate::setup::{self, Setup};
use crate::step::{Play, Step, What};
use crate::{attempt, events, output, process, report};

pub(crate) fn serve(setup: Setup) {
    let init = setup.init.clone();
    let mut once = Once {
        setup,
        given: 0,
        input: Vec::new(),
        documents: Vec::new(),
    };
    init.iter().for_each(|step| once.step(step, None));
    once.read();
    if once.setup.mode == Mode::Binary {
        let kind = std::env::var("CE_TYPE").unwrap_or_default();
        let data = once.input.clone();
        return once.act(&kind, &data, None);
    }
    for event in once.documents.clone() {
        let data = event.data().map(|data| data.as_bytes().to_vec());
        once.act(event.ty(), &data.unwrap_or_default(), Some(&event));
    }
}

struct Once {
    setup: Setup,
    /// Events given so far.
    given: usize,
    /// stdin.
    input: Vec<u8>,
    documents: Vec<Event>,
}

impl Once {
    fn read(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        while let Some(n) = process::read(&mut buffer) {
            self.input.extend_from_slice(&buffer[..n]);
        }
        if self.setup.mode != Mode::Structured {
            return;
        }
        let limits = Limits {
            max_message_bytes: self.setup.max_message_bytes,
            ..Limits::default()
        };
        let mut decoder = EventDecoder::new(self.setup.encoding, limits);
        decoder.push(&self.input);
        decoder.finish();
        loop {
            match decoder.next() {
                Ok(Some(event)) => self.documents.push(event),
                Ok(None) => return,
                Err(violation) => {
                    eprintln!("stdin: {violation}");
                    std::process::exit(65)
                }
            }
        }
    }

    fn act(&mut self, kind: &str, data: &[u8], event: Option<&Event>) {
        match kind {
            "fsi.probe.echo" => self.step(&Step::Echo, event),
            "fsi.recorder.play" => {
                let play: Play = match serde_json::from_slice(data) {
                    Ok(play) => play,
                    // In binary mode the type is the pipeline's input's, whatever a stage reads.
                    Err(_) if self.setup.stage > 1 => return self.step(&Step::Echo, event),
                    Err(e) => process::unusable(&format!("no steps: {e}")),
                };
                if play.stage.is_some_and(|stage| stage != self.setup.stage) {
                    // For a stage behind this one.
                    return self.step(&Step::Echo, event);
                }
                for step in &play.steps {
                    self.step(step, event);
                }
            }
            // What a stage before this one gives.
            _ if self.setup.stage > 1 => self.step(&Step::Echo, event),
            _ => self.end(&json!({ "code": "UNIMPLEMENTED", "message": "no such type" })),
        }
    }

    fn step(&mut self, step: &Step, input: Option<&Event>) {
        match step {
            Step::Event(event) => self.give(event),
            Step::Echo => match input {
                Some(event) => output::stdout(&events::delimited(event, self.setup.encoding)),
                None => output::stdout(&self.input.clone()),
            },
            Step::Report => self.give(&events::telling("report", report::report())),
            Step::Received => {
                let told = json!({
                    "bytes": self.input.len(),
                    "text": String::from_utf8_lossy(&self.input[..self.input.len().min(4096)]),
                    "documents": self.documents.iter().map(events::told_event).collect::<Vec<_>>(),
                });
                self.give(&events::telling("received", told));
            }
            Step::Attempt(attempts) => {
                self.give(&events::telling("attempt", attempt::all(attempts)));
            }
            Step::End(status) => self.end(status),
            Step::Raw(raw) => output::stdout(&output::raw(raw, self.setup.encoding)),
            Step::Bytes(count) => output::stdout(&vec![b'x'; *count]),
            Step::Stderr(text) => output::stderr(text.as_bytes()),
            Step::StderrLines(count) => output::stderr_lines(*count),
            Step::StderrLine(count) => output::stderr(&[vec![b'.'; *count], b"\n".into()].concat()),
            Step::Exit(status) => std::process::exit(*status),
            Step::Signal(signal) => process::die(signal),
            Step::Close(stream) => process::close(*stream),
            Step::Sleep(ms) => std::thread::sleep(std::time::Duration::from_millis(*ms)),
            Step::Hang => process::hang(),
            Step::Ignore(what) if what.contains(&What::Term) => process::ignore_sigterm(),
            Step::Ignore(_) => {}
            Step::Spawn(how) => process::spawn(how),
            Step::InAttempt(only) => {
                if setup::context().attempt == only.number {
                    only.steps.iter().for_each(|step| self.step(step, input));
                }
            }
            Step::Repeat(repeat) => {
                for _ in 0..repeat.times {
                    repeat.steps.iter().for_each(|step| self.step(step, input));
                }
            }
            Step::InTenant(only) => {
                if only.is_here() {
                    only.steps.iter().for_each(|step| self.step(step, input));
                }
            }
            Step::Now => {
                let now = json!({ "now-ms": report::now_ms() });
                self.give(&events::telling("now", now));
            }
            Step::Message(_)
            | Step::EndIfRead(_)
            | Step::EndIfAfter(_)
            | Step::Read(_)
            | Step::Wait(_)
            | Step::WaitEvents(_)
            | Step::WaitCancels(_)
            | Step::NoHello => process::unusable("that step is one of stream mode"),
        }
    }

    fn give(&mut self, event: &Value) {
        self.given += 1;
        let event = events::complete(event, self.given);
        match self.setup.mode {
            Mode::Binary => output::stdout(&events::data(&event)),
            _ => output::stdout(&events::document(&event, self.setup.encoding)),
        }
    }

    /// Ends the process as the status says (spec/status.md).
    fn end(&self, status: &Value) {
        let code = Code::from_name(status["code"].as_str().unwrap_or("OK"));
        if let Some(message) = status["message"].as_str() {
            output::stderr(format!("{message}\n").as_bytes());
        }
        std::process::exit(code.exit().into())
    }
}
