//! The runtime's own log: records on stderr, a line each, as JSON for machines or text for people.
//!
//! The members of the JSON are those that functions use (spec/lifecycle.md, "Logs"), so one reader
//! serves both. A thread of its own writes: a reader of stderr that stalls costs records, which are
//! counted, and never a call.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use clap::ValueEnum;
use jiff::Timestamp;
use libfaas::host::LogLine;
use serde_json::{Map, Value};

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// An object a line.
    Json,
    /// For people.
    Text,
}

impl Form {
    /// Text where people look at stderr, else JSON.
    pub fn of_stderr() -> Form {
        match std::io::stderr().is_terminal() {
            true => Form::Text,
            false => Form::Json,
        }
    }
}

/// How grave a record is: OpenTelemetry's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Every step.
    Trace,
    /// What helps to find out.
    Debug,
    /// What happens.
    Info,
    /// What somebody should look at.
    Warn,
    /// What does not work.
    Error,
    /// What ends the program.
    Fatal,
}

impl Severity {
    const ALL: [Severity; 6] = [
        Severity::Trace,
        Severity::Debug,
        Severity::Info,
        Severity::Warn,
        Severity::Error,
        Severity::Fatal,
    ];

    const fn name(self) -> &'static str {
        match self {
            Severity::Trace => "TRACE",
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Record {
    severity: Severity,
    body: String,
    trace: Option<(String, String)>,
    attributes: Map<String, Value>,
}

impl Record {
    /// A record with nothing but a message.
    pub fn new(severity: Severity, body: impl Into<String>) -> Self {
        Record {
            severity,
            body: body.into(),
            trace: None,
            attributes: Map::new(),
        }
    }

    /// Adds an attribute.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Says whose function it is about.
    pub fn function(self, tenant: &str, name: &str) -> Self {
        self.with("tenant", tenant).with("function", name)
    }

    /// Says to which trace it belongs; `traceparent` is valid, or empty.
    pub fn trace(mut self, traceparent: &str) -> Self {
        let mut parts = traceparent.split('-').skip(1);
        if let (Some(trace), Some(span)) = (parts.next(), parts.next()) {
            self.trace = Some((trace.to_owned(), span.to_owned()));
        }
        self
    }

    fn line(&self, form: Form, now: Timestamp) -> String {
        let mut line = match form {
            Form::Json => self.json(now),
            Form::Text => self.text(now),
        };
        line.push('\n');
        line
    }

    fn json(&self, now: Timestamp) -> String {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("timestamp", format!("{now:.3}").into());
        put("severityText", self.severity.name().into());
        put("body", self.body.as_str().into());
        if let Some((trace, span)) = &self.trace {
            put("traceId", trace.as_str().into());
            put("spanId", span.as_str().into());
        }
        if !self.attributes.is_empty() {
            put("attributes", self.attributes.clone().into());
        }
        // JSON has to escape only those of C0.
        let escape = |c: char| format!("\\u{:04x}", u32::from(c));
        mapped(&Value::Object(object).to_string(), escape)
    }

    fn text(&self, now: Timestamp) -> String {
        let mut line = format!(
            "{now:.3} {:5} {}",
            self.severity.name(),
            escaped(&self.body)
        );
        for (name, value) in &self.attributes {
            let value = match value {
                Value::String(text) => escaped(text),
                other => escaped(&other.to_string()),
            };
            write!(line, " {name}={value}").expect("a String takes all");
        }
        if let Some((trace, _)) = &self.trace {
            write!(line, " trace={trace}").expect("a String takes all");
        }
        line
    }
}

impl From<LogLine> for Record {
    /// A record of a function. Tenant, function and trace are what the host knows, never what the
    /// record says (`log-identity`); what else it says stands under `said`.
    fn from(line: LogLine) -> Self {
        let said = line.record.structured.as_ref();
        let named = said.and_then(|said| said.severity.as_deref());
        let severity = Severity::ALL
            .into_iter()
            .find(|one| Some(one.name()) == named);
        let mut record = Record::new(severity.unwrap_or(Severity::Info), line.record.body())
            .function(&line.tenant, &line.function)
            .with("instance", &*line.instance);
        if line.stage > 0 {
            record = record.with("stage", line.stage);
        }
        if let Some(call) = &line.call {
            record = record
                .with("call", call.invocation_id.as_str())
                .trace(&call.traceparent);
        }
        let attributes = said.and_then(|said| said.attributes.as_ref()?.parse::<Value>().ok());
        match attributes {
            Some(attributes) => record.with("said", attributes),
            None => record,
        }
    }
}

/// Control characters are shown, not obeyed (`log-escape`).
fn escaped(text: &str) -> String {
    mapped(text, |c| c.escape_default().to_string())
}

fn mapped(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.push_str(&escape(c)),
            false => out.push(c),
        }
    }
    out
}

/// Says something to whoever started the program, if they listen: that nobody reads stderr is no
/// reason for another end.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Where records go. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    form: Form,
    lines: SyncSender<Option<String>>,
    lost: Arc<AtomicU64>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Records that wait for the reader of stderr.
const WAITING: usize = 4096;

impl Log {
    /// A log on `out`, which is stderr outside of tests.
    pub fn new(form: Form, out: impl Write + Send + 'static) -> Self {
        let (lines, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let writer = std::thread::spawn(move || write(form, &receiver, out, &counter));
        Log {
            form,
            lines,
            lost,
            writer: Arc::new(Mutex::new(Some(writer))),
        }
    }

    /// Writes the record, or counts it as lost.
    pub fn put(&self, record: &Record) {
        let line = record.line(self.form, Timestamp::now());
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Some(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes all that waits. What is put later is dropped.
    pub fn close(&self) {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(|held| held.into_inner())
            .take();
        if let Some(writer) = writer
            && self.lines.send(None).is_ok()
        {
            // It has no panics of its own to tell of.
            let _ = writer.join();
        }
    }
}

fn write(form: Form, lines: &Receiver<Option<String>>, mut out: impl Write, lost: &AtomicU64) {
    while let Ok(Some(line)) = lines.recv() {
        // A log that nobody reads any more is no reason to stop.
        let _ = out.write_all(line.as_bytes());
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => {
                let text = "records were lost: whoever reads this log is too slow";
                let record = Record::new(Severity::Warn, text).with("lost", lost);
                let _ = out.write_all(record.line(form, Timestamp::now()).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn record() -> Record {
        Record::new(Severity::Warn, "call\u{1b}[31m\nended")
            .function("acme", "thumb")
            .trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .with("code", "NOT_FOUND")
            .with("ms", 12)
    }

    #[test]
    fn json_has_opentelemetrys_names() {
        let line = record().line(Form::Json, Timestamp::UNIX_EPOCH);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["timestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["severityText"], "WARN");
        assert_eq!(value["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(value["spanId"], "b7ad6b7169203331");
        assert_eq!(value["attributes"]["tenant"], "acme");
        assert_eq!(value["attributes"]["ms"], 12);
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn text_obeys_no_control_character() {
        let line = record().trace("").line(Form::Text, Timestamp::UNIX_EPOCH);
        assert!(
            line.starts_with(
                "1970-01-01T00:00:00.000Z WARN  call\\u{1b}[31m\\nended code=NOT_FOUND"
            )
        );
        assert_eq!(line.matches(char::is_control).count(), 1);
    }

    /// Those of C1 too, which JSON need not escape and terminals obey.
    #[test]
    fn no_form_shows_a_control_character() {
        let control = "\u{9b}31m\u{7f}\u{85}";
        let said = serde_json::json!({ "text": control });
        let record = Record::new(Severity::Info, control)
            .with("text", control)
            .with("said", said.clone());
        for form in [Form::Json, Form::Text] {
            let line = record.line(form, Timestamp::UNIX_EPOCH);
            assert_eq!(line.matches(char::is_control).count(), 1, "{line:?}");
        }
        let line = record.line(Form::Json, Timestamp::UNIX_EPOCH);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["body"], control);
        assert_eq!(value["attributes"]["said"], said);
    }

    /// Blocks until it is let go on, and gives what was written back.
    struct Stalled(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_costs_records_and_no_time() {
        let (go, gate) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Log::new(Form::Json, Stalled(gate, Arc::clone(&written)));
        for _ in 0..2 * WAITING {
            log.put(&Record::new(Severity::Info, "x"));
        }
        drop(go);
        log.close();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lost: u64 = text
            .lines()
            .filter_map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["attributes"]["lost"].as_u64()
            })
            .sum();
        let records = text.lines().filter(|line| line.contains("\"x\"")).count() as u64;
        assert!(lost >= WAITING as u64 - 1, "{lost}");
        assert_eq!(records + lost, 2 * WAITING as u64);
    }
}
