//! Stream mode: calls whose steps go on as far as they can, then a wait for more input.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use libfaas::{Context, Limits, Message, MessageDecoder};
use serde_json::{Value, json};

use crate::setup::Setup;
use crate::step::{Play, Step, What};
use crate::{attempt, events, output, process, report};

pub(crate) struct Stream {
    setup: Setup,
    decoder: MessageDecoder,
    calls: BTreeMap<u64, Call>,
    seen: Seen,
    /// What is taken no notice of.
    ignored: Vec<What>,
    /// The hello of the input has been answered.
    greeted: bool,
    eof: bool,
    term: bool,
}

/// What was read, in all.
#[derive(Default)]
struct Seen {
    messages: Vec<Value>,
    bytes: usize,
    events: usize,
    cancels: usize,
    /// The most calls that were open at once.
    most_open: usize,
    /// Whether it has written what is no message.
    wrote_raw: bool,
    /// Messages for calls after their cancel.
    after_cancel: usize,
}

#[derive(Default)]
struct Call {
    steps: VecDeque<Step>,
    /// Its messages go out as they came in.
    relay: bool,
    context: Option<Context>,
    /// The first message was written, with the context.
    spoke: bool,
    /// Events given so far.
    given: usize,
    /// The event of which pieces are missing, and its data so far.
    unfinished: Option<(libfaas::Event, Vec<u8>)>,
    /// The last whole event of the input.
    input: Option<libfaas::Event>,
    input_ended: bool,
    cancelled: bool,
    ended: bool,
    /// What was read for it: `event,end; cancel`.
    read: String,
    /// The step that is next is done at this time.
    pause: Option<Instant>,
}

/// What became of a step.
enum Done {
    Yes,
    /// It is done again when something has come.
    NotYet,
}

impl Stream {
    pub(crate) fn new(setup: Setup) -> Stream {
        let limits = Limits {
            max_message_bytes: setup.max_message_bytes,
            ..Limits::default()
        };
        Stream {
            decoder: MessageDecoder::new(setup.encoding, limits),
            setup,
            calls: BTreeMap::new(),
            seen: Seen::default(),
            ignored: Vec::new(),
            greeted: false,
            eof: false,
            term: false,
        }
    }

    pub(crate) fn serve(mut self) {
        // Call 0 is the process's own: what it does before it answers the hello.
        self.calls.insert(
            0,
            Call {
                steps: self.setup.init.clone().into(),
                ..Call::default()
            },
        );
        self.go_on();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let pause = self.calls.values().filter_map(|call| call.pause).min();
            let (stdin, term) = process::wait_for_input(!self.eof, pause);
            if term && !self.term {
                self.term = true;
                self.go_on();
                // It has done what it was to do on SIGTERM.
                if !self.ignored.contains(&What::Term) {
                    std::process::exit(0);
                }
                process::hang();
            }
            if !stdin {
                self.go_on();
                continue;
            }
            match process::read(&mut buffer) {
                Some(n) => self.take(&buffer[..n]),
                None => self.end_of_input(),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen.bytes += bytes.len();
        self.decoder.push(bytes);
        loop {
            match self.decoder.next() {
                Ok(Some(received)) => self.message(received.message),
                Ok(None) => break,
                Err(violation) => {
                    eprintln!("stdin: {violation}");
                    std::process::exit(65)
                }
            }
        }
    }

    fn end_of_input(&mut self) {
        self.eof = true;
        self.go_on();
        if self.ignored.contains(&What::Eof) {
            return;
        }
        for call in self.open_calls() {
            if !self.calls[&call].input_ended {
                let message = "the input ended";
                self.end(call, &json!({ "code": "ABORTED", "message": message }));
            }
        }
        if self.open_calls().is_empty() {
            std::process::exit(0);
        }
    }

    fn open_calls(&self) -> Vec<u64> {
        let open = |(number, call): (&u64, &Call)| (*number > 0 && !call.ended).then_some(*number);
        self.calls.iter().filter_map(open).collect()
    }

    fn message(&mut self, message: Message) {
        let number = message.call;
        self.seen.messages.push(events::told(&message));
        self.seen.events += usize::from(message.event.is_some());
        self.seen.cancels += usize::from(message.cancel.is_some());
        if let Some(hello) = &message.hello {
            if !hello.status.is_ok() {
                self.write(&json!({ "call": 0, "hello": hello_with(&hello.status) }));
                std::process::exit(1);
            }
            self.greet();
        } else if number > 0 {
            self.input(number, message);
        }
        self.go_on();
    }

    /// Writes its own hello, unless a step of its initialisation has, or did not want one.
    fn greet(&mut self) {
        let own = self.calls.get(&0).is_some_and(|call| call.spoke);
        if !std::mem::replace(&mut self.greeted, true) && !own {
            self.write(&json!({ "call": 0, "hello": hello_with(&libfaas::Status::ok()) }));
        }
    }

    fn input(&mut self, number: u64, message: Message) {
        let call = self.calls.entry(number).or_default();
        if call.context.is_none() {
            call.context.clone_from(&message.context);
        }
        if !call.read.is_empty() {
            call.read.push_str("; ");
        }
        call.read.push_str(&fields(&message));
        self.seen.after_cancel += usize::from(call.cancelled);
        if call.input_ended && !call.cancelled && message.cancel.is_none() {
            // As spec/messages.md demands of every function.
            eprintln!("stdin: call {number} is used again after its end");
            std::process::exit(65);
        }
        let open = |call: &&Call| !(call.ended && (call.input_ended || call.cancelled));
        let open = self
            .calls
            .iter()
            .filter(|(n, _)| **n > 0)
            .map(|(_, call)| call)
            .filter(open);
        self.seen.most_open = self.seen.most_open.max(open.count());
        let call = self.calls.get_mut(&number).expect("entered above");
        if message.cancel.is_some() {
            return self.cancel(number, &message);
        }
        if call.cancelled || call.ended {
            call.input_ended |= message.end.is_some();
            return;
        }
        if call.relay {
            call.input_ended |= message.end.is_some();
            call.ended |= message.end.is_some();
            return self.copy(&message);
        }
        if let Some(event) = &message.event {
            if event.ty() == "fsi.probe.echo" {
                // Given back as it comes, in pieces too.
                call.relay = true;
                call.input = Some(event.clone());
                call.input_ended |= message.end.is_some();
                call.ended |= message.end.is_some();
                return self.copy(&message);
            }
            let data = event.data().map(|data| data.as_bytes().to_vec());
            call.unfinished = Some((event.clone(), data.unwrap_or_default()));
        }
        if let (Some(chunk), Some((_, data))) = (&message.chunk, &mut call.unfinished) {
            data.extend_from_slice(chunk);
        }
        if let Some((event, data)) = call.unfinished.take_if(|_| !message.more) {
            call.input = Some(event.clone());
            let relayed = !self.act(number, &event, &data);
            if relayed {
                let call = self.calls.get_mut(&number).expect("it is open");
                call.relay = true;
                call.ended |= message.end.is_some();
                call.input_ended |= message.end.is_some();
                return self.copy(&message);
            }
        }
        let Some(status) = &message.end else {
            return;
        };
        self.calls.entry(number).or_default().input_ended = true;
        if !status.is_ok() {
            let mut told = json!({ "code": status.code.name(), "message": status.message });
            told["details"] = json!(status.details);
            self.end(number, &told);
        }
    }

    fn cancel(&mut self, number: u64, message: &Message) {
        let call = self.calls.entry(number).or_default();
        if std::mem::replace(&mut call.cancelled, true) || self.ignored.contains(&What::Cancel) {
            return;
        }
        self.copy(message);
        let call = self.calls.get_mut(&number).expect("entered above");
        let unseen = call.steps.is_empty() && call.context.is_none() && call.input.is_none();
        if matches!(call.steps.front(), Some(Step::Wait(What::Cancel))) {
            return;
        }
        match unseen {
            true => call.ended = true,
            false => self.end(
                number,
                &json!({ "code": "CANCELLED", "message": "cancelled" }),
            ),
        }
    }

    /// Does what an event asks for; false: it is for a stage behind this one, or to be given back.
    fn act(&mut self, number: u64, event: &libfaas::Event, data: &[u8]) -> bool {
        match event.ty() {
            "fsi.recorder.play" => {
                let play: Play = serde_json::from_slice(data)
                    .unwrap_or_else(|e| process::unusable(&format!("no steps: {e}")));
                if play.stage.is_some_and(|stage| stage != self.setup.stage) {
                    return false;
                }
                let call = self.calls.entry(number).or_default();
                call.steps.extend(play.steps);
                true
            }
            // What a stage before this one gives, or said for it.
            _ if self.setup.stage > 1 => false,
            _ => {
                self.end(
                    number,
                    &json!({ "code": "UNIMPLEMENTED", "message": "no such type" }),
                );
                true
            }
        }
    }

    /// Does the steps of all calls, as far as they go.
    fn go_on(&mut self) {
        let mut calls: Vec<u64> = self.calls.keys().copied().collect();
        while let Some(number) = calls.pop() {
            while let Some(step) = self.calls[&number].steps.front().cloned() {
                match self.step(number, &step) {
                    Done::NotYet => break,
                    Done::Yes => {
                        let call = self.calls.get_mut(&number).expect("calls are kept");
                        call.steps.pop_front();
                    }
                }
            }
            let call = &self.calls[&number];
            if number > 0 && !call.relay && call.steps.is_empty() {
                if call.cancelled {
                    let status = json!({ "code": "CANCELLED", "message": "cancelled" });
                    self.end(number, &status);
                } else if call.input_ended {
                    self.end(number, &json!({}));
                }
            }
        }
        if self.eof && !self.ignored.contains(&What::Eof) && self.open_calls().is_empty() {
            std::process::exit(0);
        }
    }

    fn step(&mut self, number: u64, step: &Step) -> Done {
        match step {
            Step::Event(event) => self.give(number, event),
            Step::Echo => {
                let input = self.calls[&number].input.clone();
                let mut message = json!({ "call": number });
                message["event"] = input
                    .and_then(|event| serde_json::from_str(&event.to_json()).ok())
                    .unwrap_or_default();
                self.say(number, message);
            }
            Step::Report => self.give(number, &events::telling("report", report::report())),
            Step::Received => {
                let unfinished = |(number, call): (&u64, &Call)| {
                    let unfinished = call.ended && !call.input_ended && !call.cancelled;
                    unfinished.then_some(*number)
                };
                let told = json!({
                    "messages": self.seen.messages,
                    "bytes": self.seen.bytes,
                    "calls": self.calls.len() - 1,
                    "wrote-raw": self.seen.wrote_raw,
                    "most-open": self.seen.most_open,
                    "after-cancel": self.seen.after_cancel,
                    "unfinished": self.calls.iter().filter_map(unfinished).collect::<Vec<_>>(),
                    "now-ms": report::now_ms(),
                });
                self.give(number, &events::telling("received", told));
            }
            Step::Attempt(attempts) => {
                self.give(number, &events::telling("attempt", attempt::all(attempts)));
            }
            Step::End(status) => self.end(number, status),
            Step::EndIfRead(wanted) => {
                let read = &self.calls[&number].read;
                let status = match same(&wanted.was, read) {
                    true => json!({ "code": wanted.code }),
                    false => json!({ "code": "INTERNAL", "message": format!("read: {read}") }),
                };
                self.end(number, &status);
            }
            Step::EndIfAfter(wanted) => {
                let now = report::now_ms();
                let status = match now >= wanted.ms {
                    true => json!({ "code": wanted.code }),
                    false => {
                        let message = format!("{} ms too early", wanted.ms - now);
                        json!({ "code": "INTERNAL", "message": message })
                    }
                };
                self.end(number, &status);
            }
            Step::Read(ms) => {
                let call = self.calls.get_mut(&number).expect("calls are kept");
                let time = Duration::from_millis(*ms);
                let until = *call.pause.get_or_insert_with(|| Instant::now() + time);
                if Instant::now() < until {
                    return Done::NotYet;
                }
                call.pause = None;
            }
            Step::Message(message) => {
                let mut message = message.clone();
                if message.get("call").is_none() {
                    message["call"] = number.into();
                }
                if number == 0 || message.get("hello").is_some() {
                    self.calls.entry(0).or_default().spoke = true;
                }
                self.write(&message);
            }
            Step::Raw(raw) => {
                self.seen.wrote_raw = true;
                output::stdout(&output::raw(raw, self.setup.encoding));
            }
            Step::Bytes(count) => output::stdout(&vec![b'x'; *count]),
            Step::Stderr(text) => output::stderr(text.as_bytes()),
            Step::StderrLines(count) => output::stderr_lines(*count),
            Step::StderrLine(count) => output::stderr(&[vec![b'.'; *count], b"\n".into()].concat()),
            Step::Exit(status) => std::process::exit(*status),
            Step::Signal(signal) => process::die(signal),
            Step::Close(stream) => process::close(*stream),
            Step::Sleep(ms) => std::thread::sleep(std::time::Duration::from_millis(*ms)),
            Step::Hang => process::hang(),
            Step::Ignore(what) => {
                if what.contains(&What::Term) {
                    process::ignore_sigterm();
                }
                self.ignored.extend(what);
            }
            Step::Wait(what) => return self.wait(number, *what),
            Step::WaitEvents(count) if self.seen.events < *count => return Done::NotYet,
            Step::WaitCancels(count) if self.seen.cancels < *count => return Done::NotYet,
            Step::WaitEvents(_) | Step::WaitCancels(_) => {}
            Step::Spawn(how) => process::spawn(how),
            Step::InAttempt(only) => {
                let call = self.calls.get_mut(&number).expect("calls are kept");
                let attempt = call.context.as_ref().map_or(0, |context| context.attempt);
                if attempt == only.number {
                    insert(call, only.steps.clone());
                }
            }
            Step::Repeat(repeat) => {
                let steps = std::iter::repeat_n(repeat.steps.clone(), repeat.times).flatten();
                let call = self.calls.get_mut(&number).expect("calls are kept");
                insert(call, steps.collect());
            }
            Step::InTenant(only) => {
                if only.is_here() {
                    let call = self.calls.get_mut(&number).expect("calls are kept");
                    insert(call, only.steps.clone());
                }
            }
            Step::Now => {
                let now = json!({ "now-ms": report::now_ms() });
                self.give(number, &events::telling("now", now));
            }
            Step::NoHello => self.calls.entry(0).or_default().spoke = true,
        }
        Done::Yes
    }

    fn wait(&mut self, number: u64, what: What) -> Done {
        let call = &self.calls[&number];
        let came = match what {
            What::Cancel => call.cancelled,
            What::End => call.input_ended,
            What::Eof => self.eof,
            What::Term => {
                process::catch_sigterm();
                self.term
            }
        };
        match came {
            true => Done::Yes,
            false => Done::NotYet,
        }
    }

    fn give(&mut self, number: u64, event: &Value) {
        let call = self.calls.entry(number).or_default();
        call.given += 1;
        let event = events::complete(event, call.given);
        self.say(number, json!({ "call": number, "event": event }));
    }

    fn end(&mut self, number: u64, status: &Value) {
        if std::mem::replace(&mut self.calls.entry(number).or_default().ended, true) {
            return;
        }
        self.say(number, json!({ "call": number, "end": status }));
    }

    /// A message of a call, with the context if it is the first.
    fn say(&mut self, number: u64, mut message: Value) {
        let call = self.calls.entry(number).or_default();
        if let (false, Some(context)) = (call.spoke, &call.context) {
            let told = Message {
                call: number,
                context: Some(context.clone()),
                ..Message::default()
            };
            message["context"] = events::told(&told)["context"].clone();
        }
        call.spoke = true;
        self.write(&message);
    }

    fn write(&self, message: &Value) {
        output::stdout(&events::encoded(message, self.setup.encoding));
    }

    fn copy(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        libfaas::encode_message(message, self.setup.encoding, &mut bytes);
        output::stdout(&bytes);
    }
}

/// Steps in the place of the one that is being done, which is taken out afterwards.
fn insert(call: &mut Call, steps: Vec<Step>) {
    for step in steps.into_iter().rev() {
        call.steps.insert(1, step);
    }
}

/// The names of the fields of a message of a call, but for its context.
fn fields(message: &Message) -> String {
    let fields = [
        (message.event.is_some(), "event"),
        (message.chunk.is_some(), "chunk"),
        (message.end.is_some(), "end"),
        (message.cancel.is_some(), "cancel"),
    ];
    let there: Vec<&str> = fields
        .iter()
        .filter_map(|(is, name)| is.then_some(*name))
        .collect();
    there.join(",")
}

/// Whether messages with these fields were read, however they were divided into messages.
fn same(wanted: &str, read: &str) -> bool {
    let flat = |text: &str| text.replace("; ", ",");
    flat(wanted) == flat(read)
}

fn hello_with(status: &libfaas::Status) -> Value {
    let mut hello = json!({ "fsi": "1.0", "producer": "faas-recorder" });
    if !status.is_ok() {
        hello["status"] = json!({ "code": status.code.name(), "message": status.message });
    }
    hello
}
