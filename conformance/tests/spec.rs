//! Executes what the specification shows: every `transcript` block of `spec/*.md` is replayed against the reference
//! probe, every `manifest` block is parsed, and the smallest stage of `pipelines.md` is run as it stands in the text.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use libfaas::{Encoding, Limits, MessageDecoder};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let arguments = Arguments::from_args();
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec");
    let mut pages: Vec<PathBuf> = fs::read_dir(&spec)
        .expect("spec/ is beside this crate")
        .map(|entry| entry.expect("spec/ is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    let blocks: Vec<Block> = pages.iter().flat_map(|page| blocks(page)).collect();
    let smallest = blocks
        .iter()
        .find(|block| block.info == "python pass")
        .expect("pipelines.md shows the smallest stage")
        .text
        .clone();
    let mut trials: Vec<Trial> = blocks
        .into_iter()
        .filter_map(|block| trial(block, &smallest))
        .collect();
    trials.push(Trial::test(
        "the smallest stage passes the suite",
        move || judged(&smallest),
    ));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The verdict of the suite on the program that pipelines.md shows.
fn judged(program: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("pass.py"), program)?;
    fs::write(
        at("event.json"),
        r#"{"specversion":"1.0","id":"1","source":"/doc","type":"any","data":{"price":1.10}}"#,
    )?;
    fs::write(
        at("function.json"),
        r#"{"fsi":"1.0","name":"pass","command":["python3","pass.py"],"modes":["stream"],"encodings":["json"],
            "features":["chunks"],"concurrency":4,"samples":["event.json"]}"#,
    )?;
    let verdict = Command::new(env!("CARGO_BIN_EXE_faas-conformance"))
        .args(["function", "--manifest"])
        .arg(at("function.json"))
        .output()?;
    if verdict.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&verdict.stderr).into_owned().into())
}

/// A fenced block of a page.
struct Block {
    place: String,
    info: String,
    text: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let name = page.file_name().expect("a file").to_string_lossy();
    let text = fs::read_to_string(page).expect("a page is UTF-8");
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    place: format!("{name}:{}", number + 1),
                    info: info.to_owned(),
                    text: String::new(),
                })
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a fence is not closed");
    found
}

fn trial(block: Block, smallest: &str) -> Option<Trial> {
    let words: Vec<&str> = block.info.split_whitespace().collect();
    let smallest = smallest.to_owned();
    let name = format!("{} {}", block.place, block.info);
    let run: Box<dyn FnOnce() -> Result<(), Failed> + Send> = match words.as_slice() {
        ["transcript", "host", encoding] => {
            let encoding = encoding_named(encoding);
            Box::new(move || as_host(&block.text, encoding))
        }
        ["transcript", "binary"] => {
            Box::new(move || replay(&block.text, Wire::Raw, "binary", &["probe"], &smallest))
        }
        ["transcript", "json", "structured"] => {
            Box::new(move || replay(&block.text, Wire::Json, "structured", &["probe"], &smallest))
        }
        ["transcript", "json"] => {
            Box::new(move || replay(&block.text, Wire::Json, "stream", &["probe"], &smallest))
        }
        ["transcript", "json", stages] => {
            let stages: Vec<String> = stages.split('|').map(str::to_owned).collect();
            Box::new(move || {
                let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
                replay(&block.text, Wire::Json, "stream", &stages, &smallest)
            })
        }
        ["transcript", encoding @ ("protobuf" | "capnp")] => {
            let encoding = encoding_named(encoding);
            Box::new(move || {
                replay(
                    &block.text,
                    Wire::Hex(encoding),
                    "stream",
                    &["probe"],
                    &smallest,
                )
            })
        }
        ["transcript", ..] => {
            return Some(Trial::test(name.clone(), move || {
                Err(format!("{name}: no such kind of transcript").into())
            }));
        }
        ["yaml", "manifest"] => Box::new(move || {
            libfaas::Manifest::from_yaml(&block.text)?;
            Ok(())
        }),
        ["json", "manifest"] => Box::new(move || {
            libfaas::Manifest::from_json(&block.text)?;
            Ok(())
        }),
        _ => return None,
    };
    Some(Trial::test(name, run))
}

fn encoding_named(name: &str) -> Encoding {
    name.parse().expect("a transcript names an encoding")
}

/// How the lines of a transcript become bytes, and bytes become what is compared.
#[derive(Clone, Copy)]
enum Wire {
    Raw,
    Json,
    Hex(Encoding),
}

impl Wire {
    fn encoding(self) -> Option<Encoding> {
        match self {
            Wire::Raw => None,
            Wire::Json => Some(Encoding::Json),
            Wire::Hex(encoding) => Some(encoding),
        }
    }

    fn bytes(self, line: &str) -> Vec<u8> {
        match self {
            Wire::Raw => line.as_bytes().to_vec(),
            Wire::Json => format!("{line}\n").into_bytes(),
            Wire::Hex(_) => hex(line),
        }
    }
}

fn hex(line: &str) -> Vec<u8> {
    line.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hex bytes"))
        .collect()
}

/// What a host's reader makes of the function's bytes: the rule after `!`.
fn as_host(text: &str, encoding: Encoding) -> Result<(), Failed> {
    let wire = if encoding == Encoding::Json {
        Wire::Json
    } else {
        Wire::Hex(encoding)
    };
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    let mut expected = None;
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("< ") {
            decoder.push(&wire.bytes(line));
        } else if let Some(rule) = line.strip_prefix("! ") {
            expected = Some(rule);
        }
    }
    let expected = expected.ok_or("the transcript names no rule with `!`")?;
    loop {
        match decoder.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Err("the reader found nothing wrong".into()),
            Err(violation) if violation.rule() == expected => return Ok(()),
            Err(violation) => {
                return Err(format!("expected {expected}, the reader reported {violation}").into());
            }
        }
    }
}

/// Plays a transcript's host side and compares what the function answers.
fn replay(
    text: &str,
    wire: Wire,
    mode: &str,
    stages: &[&str],
    smallest: &str,
) -> Result<(), Failed> {
    let environment: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .flat_map(|line| line.split_whitespace())
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("NAME=VALUE");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    let mut subject = Subject::start(wire, mode, stages, smallest, &environment)?;
    let mut raw_input = Vec::new();
    let mut raw_expected = Vec::new();
    for line in text.lines() {
        match line.split_once(' ') {
            Some((">", "EOF")) => {
                subject.send(&raw_input.join("\n"))?;
                subject.stdin = None;
            }
            Some((">", "SIGTERM")) => subject.terminate(),
            Some((">", input)) if matches!(wire, Wire::Raw) => raw_input.push(input.to_owned()),
            Some((">", input)) => subject.send_bytes(&wire.bytes(input))?,
            Some(("<", output)) if matches!(wire, Wire::Raw) => {
                raw_expected.push(output.to_owned())
            }
            Some(("<", output)) => subject.expect(&wire.bytes(output))?,
            Some(("2", said)) => subject.said.push(said.to_owned()),
            Some(("exit", status)) => subject.finish(
                status,
                matches!(wire, Wire::Raw).then(|| raw_expected.join("\n")),
            )?,
            Some(("$" | "#", _)) => {}
            _ => return Err(format!("no such line in a transcript: {line}").into()),
        }
    }
    if subject.finished {
        Ok(())
    } else {
        Err("the transcript lacks its last line, `exit STATUS`".into())
    }
}

/// A function, or a pipeline of them, with its outer ends.
struct Subject {
    stages: Vec<Child>,
    stdin: Option<Box<dyn Write>>,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    shown: Reader,
    reader: Reader,
    parts: VecDeque<Value>,
    said: Vec<String>,
    finished: bool,
    _folder: tempfile::TempDir,
}

/// Cuts the function's output into comparable values.
enum Reader {
    Raw,
    Lines(Vec<u8>),
    Messages(Box<MessageDecoder>),
}

impl Subject {
    fn start(
        wire: Wire,
        mode: &str,
        stages: &[&str],
        smallest: &str,
        environment: &[(String, String)],
    ) -> Result<Subject, Failed> {
        let folder = tempfile::tempdir()?;
        let program = folder.path().join("pass.py");
        fs::write(&program, smallest)?;
        let mut children: Vec<Child> = Vec::new();
        for stage in stages {
            let mut command = match *stage {
                "probe" => Command::new(env!("CARGO_BIN_EXE_faas-probe")),
                "pass" => {
                    let mut command = Command::new("python3");
                    command.arg(&program);
                    command
                }
                other => return Err(format!("no such stage: {other}").into()),
            };
            command
                .env("FAAS_SPEC", "1.0")
                .env("FAAS_MODE", mode)
                .env("FAAS_FEATURES", "chunks")
                .env("FAAS_FUNCTION", "doc")
                .env("FAAS_CONCURRENCY", "4")
                .env("TMPDIR", folder.path())
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(encoding) = wire.encoding() {
                command.env("FAAS_ENCODING", encoding.to_string());
            }
            match children.last_mut() {
                Some(previous) => command.stdin(previous.stdout.take().expect("piped")),
                None => command.stdin(Stdio::piped()),
            };
            children.push(command.spawn()?);
        }
        let stdin: Box<dyn Write> = Box::new(children[0].stdin.take().expect("piped"));
        let stdout = children
            .last_mut()
            .and_then(|child| child.stdout.take())
            .expect("piped");
        Ok(Subject {
            stages: children,
            stdin: Some(stdin),
            output: pump(stdout),
            raw: Vec::new(),
            shown: Reader::new(wire),
            reader: Reader::new(wire),
            parts: VecDeque::new(),
            said: Vec::new(),
            finished: false,
            _folder: folder,
        })
    }

    fn send(&mut self, raw: &str) -> Result<(), Failed> {
        self.send_bytes(raw.as_bytes())
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let stdin = self
            .stdin
            .as_mut()
            .ok_or("the transcript writes after EOF")?;
        stdin.write_all(bytes)?;
        stdin.flush()?;
        Ok(())
    }

    fn terminate(&mut self) {
        for stage in &self.stages {
            let pid = rustix::process::Pid::from_child(stage);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        }
    }

    /// The parts of one message that the transcript shows must come next.
    fn expect(&mut self, shown: &[u8]) -> Result<(), Failed> {
        for expected in self.shown.parts(shown)? {
            let deadline = Instant::now() + PATIENCE;
            let actual = loop {
                if let Some(actual) = self.parts.pop_front() {
                    break actual;
                }
                match self.output.recv_timeout(deadline - Instant::now()) {
                    Ok(bytes) => self.parts.extend(self.reader.parts(&bytes)?),
                    Err(RecvTimeoutError::Timeout) => {
                        return Err(format!("expected {expected}, nothing came").into());
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(format!("expected {expected}, EOF came").into());
                    }
                }
            };
            if !agrees(&expected, &actual) {
                return Err(format!("expected {expected}\n     got {actual}").into());
            }
        }
        Ok(())
    }

    /// The process ends as shown and nothing more comes out of it.
    fn finish(&mut self, status: &str, raw: Option<String>) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .output
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => match &mut self.reader {
                    Reader::Raw => self.raw.extend(bytes),
                    reader => self.parts.extend(reader.parts(&bytes)?),
                },
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err("stdout stays open".into()),
            }
        }
        if let Some(part) = self.parts.front() {
            return Err(format!("expected nothing more, got {part}").into());
        }
        if let Some(expected) = raw
            && self.raw != expected.as_bytes()
        {
            return Err(format!(
                "expected {expected:?}, got {:?}",
                String::from_utf8_lossy(&self.raw)
            )
            .into());
        }
        let last = self.stages.last_mut().expect("a stage");
        let mut stderr = String::new();
        last.stderr
            .take()
            .expect("piped")
            .read_to_string(&mut stderr)?;
        let ended = last.wait()?;
        if status != "*" && ended.code() != Some(status.parse()?) {
            return Err(format!("expected exit {status}, got {ended}; stderr: {stderr}").into());
        }
        if let Some(said) = self
            .said
            .iter()
            .find(|said| !stderr.contains(said.as_str()))
        {
            return Err(format!("expected {said:?} on stderr, got {stderr:?}").into());
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        for stage in &mut self.stages {
            let _ = stage.kill();
            let _ = stage.wait();
        }
    }
}

fn pump(mut stdout: std::process::ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Reader {
    fn new(wire: Wire) -> Reader {
        match wire {
            Wire::Raw => Reader::Raw,
            Wire::Json => Reader::Lines(Vec::new()),
            Wire::Hex(encoding) => {
                Reader::Messages(Box::new(MessageDecoder::new(encoding, Limits::default())))
            }
        }
    }

    /// One value for each field that applies, so that a message with two fields equals two messages with one.
    fn parts(&mut self, bytes: &[u8]) -> Result<Vec<Value>, Failed> {
        let mut parts = Vec::new();
        match self {
            Reader::Raw => {}
            Reader::Lines(pending) => {
                pending.extend(bytes);
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    split(serde_json::from_slice(&line)?, &mut parts);
                }
            }
            Reader::Messages(decoder) => {
                decoder.push(bytes);
                while let Some(received) = decoder.next()? {
                    let mut json = Vec::new();
                    libfaas::encode_message(&received.message, Encoding::Json, &mut json);
                    split(serde_json::from_slice(&json)?, &mut parts);
                }
            }
        }
        Ok(parts)
    }
}

fn split(message: Value, parts: &mut Vec<Value>) {
    let Value::Object(members) = &message else {
        return parts.push(message);
    };
    let call = members.get("call").cloned().unwrap_or(0.into());
    if members.contains_key("specversion") {
        return parts.push(message);
    }
    for field in [
        "context", "event", "chunk", "more", "end", "cancel", "hello",
    ] {
        if let Some(value) = members.get(field) {
            parts.push(serde_json::json!({"call": call, field: value}));
        }
    }
}

/// Whether what came is what is shown, where `…` stands for any text, present or not, and an OK may be written out.
fn agrees(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(text), Value::String(_)) if text == "…" => true,
        (Value::Object(expected), Value::Object(actual)) => {
            let absent = |name: &str, value: &Value| {
                value == "…"
                    || name == "producer"
                    || (name == "code" && value == "OK")
                    || (name == "status" && value == &serde_json::json!({}))
            };
            expected.iter().all(|(name, value)| match actual.get(name) {
                Some(other) => agrees(value, other),
                None => absent(name, value),
            }) && actual.iter().all(|(name, value)| {
                expected.contains_key(name)
                    || absent(name, value)
                    || (name == "status" && agrees(&serde_json::json!({}), value))
            })
        }
        _ => expected == actual,
    }
}
