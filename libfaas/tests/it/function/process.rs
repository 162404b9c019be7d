//! The examples as processes: what can't be seen from inside.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::peer::PATIENCE;

const HELLO: &str = r#"{"call":0,"hello":{"fsi":"1.0"}}"#;

/// An example of this crate, which `cargo test` builds beside the tests.
fn example(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let path: PathBuf = tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "{}: build it with `cargo build -p libfaas --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (input, output) = (
            child.stdin.take(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Process {
            child,
            input,
            output,
        }
    }

    /// The probe in stream mode, greeted.
    fn probe() -> Self {
        let mut command = example("probe");
        command.envs([
            ("FAAS_MODE", "stream"),
            ("FAAS_ENCODING", "json"),
            ("PATH", "/usr/bin:/bin"),
        ]);
        let mut probe = Process::start(command);
        probe.write(HELLO);
        assert!(probe.line().contains("hello"));
        probe
    }

    fn write(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn call(&mut self, call: u64, ty: &str, data: &str) {
        self.write(&format!(
            r#"{{"call":{call},"event":{{"specversion":"1.0","id":"1","source":"/s","type":"{ty}","data":{data}}},"end":{{}}}}"#
        ));
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn exit(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_user_code_and_its_children_print_goes_to_stderr() {
    let mut probe = Process::probe();
    probe.call(1, "fsi.probe.print", r#"{"text":"boo"}"#);
    let answer = probe.line();
    assert!(
        answer.contains(r#""type":"fsi.probe.print""#) && answer.contains(r#""end":{}"#),
        "{answer}"
    );
    probe.input = None;
    assert_eq!(probe.line(), "");
    assert_eq!(probe.exit().code(), Some(0));
    assert_eq!(probe.stderr(), "boo\nboo\nboo\n");
}

#[test]
fn user_code_finds_nothing_on_stdin() {
    let mut probe = Process::probe();
    probe.call(1, "fsi.probe.read", "{}");
    assert!(probe.line().contains(r#"{"bytes":0}"#));
    probe.call(2, "fsi.probe.echo", "{}");
    assert!(probe.line().contains(r#""call":2"#));
}

#[test]
fn sigterm_ends_open_calls() {
    let mut probe = Process::probe();
    probe.call(1, "fsi.probe.wait", "{}");
    assert!(probe.line().contains("fsi.probe.waiting"));
    kill_process(Pid::from_child(&probe.child), Signal::TERM).unwrap();
    let end = probe.line();
    assert!(
        end.contains(r#""call":1"#) && end.contains("UNAVAILABLE"),
        "{end}"
    );
    assert_eq!(probe.exit().code(), Some(0));
}

#[test]
fn sigterm_ends_it_also_while_nobody_takes_what_it_writes() {
    let mut probe = Process::probe();
    // More than the pipe takes, so that the write has begun and can't end.
    probe.call(1, "fsi.probe.emit", r#"{"count":1,"bytes":4194304}"#);
    probe.output.read_exact(&mut [0; 10]).unwrap();
    kill_process(Pid::from_child(&probe.child), Signal::TERM).unwrap();
    assert_eq!(probe.exit().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_it_as_it_ends_a_filter() {
    // While it is idle,
    let mut probe = Process::probe();
    let (_, output) = (
        probe.input.as_ref().unwrap(),
        std::mem::replace(&mut probe.output, BufReader::new(no_output())),
    );
    drop(output);
    assert_eq!(probe.exit().signal(), Some(Signal::PIPE.as_raw()));
    assert_eq!(probe.stderr(), "");

    // and in structured mode, where the output is more than the pipe takes.
    let mut command = example("probe");
    command.envs([("FAAS_MODE", "structured"), ("FAAS_ENCODING", "json")]);
    let mut probe = Process::start(command);
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"fsi.probe.emit","data":{"count":100,"bytes":65536}}"#;
    probe.write(event);
    probe.input = None;
    assert!(!probe.line().is_empty());
    probe.output = BufReader::new(no_output());
    assert_eq!(probe.exit().signal(), Some(Signal::PIPE.as_raw()));
    assert_eq!(probe.stderr(), "");
}

/// A stdout of a child that has ended.
fn no_output() -> ChildStdout {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stdout.take().unwrap()
}

#[test]
fn a_failure_is_the_last_line_of_stderr() {
    let mut command = example("probe");
    command.envs([
        ("FAAS_MODE", "binary"),
        ("CE_SPECVERSION", "1.0"),
        ("CE_ID", "1"),
        ("CE_SOURCE", "/s"),
        ("CE_TYPE", "fsi.probe.fail"),
    ]);
    let mut probe = Process::start(command);
    probe.write(r#"{"code":"PERMISSION_DENIED","message":"the door\nis locked"}"#);
    probe.input = None;
    assert_eq!(probe.exit().code(), Some(77));
    assert_eq!(probe.stderr(), "the door is locked\n");
}

#[test]
fn initialisation_that_fails() {
    for (mode, code) in [("stream", 78), ("structured", 78), ("binary", 78)] {
        let mut command = example("probe");
        command.envs([
            ("FAAS_MODE", mode),
            ("PROBE_INIT", "FAILED_PRECONDITION"),
            ("CE_SPECVERSION", "1.0"),
            ("CE_ID", "1"),
            ("CE_SOURCE", "/s"),
            ("CE_TYPE", "t"),
        ]);
        let mut probe = Process::start(command);
        if mode == "stream" {
            probe.write(HELLO);
            assert!(probe.line().contains(r#""code":"FAILED_PRECONDITION""#));
        }
        assert_eq!(probe.exit().code(), Some(code), "{mode}");
    }
}

#[test]
fn an_event_at_a_terminal_needs_no_environment() {
    let mut hello = Process::start(example("hello"));
    hello.write(r#"{"specversion":"1.0","id":"1","source":"/me","type":"visit","subject":"Ada"}"#);
    hello.input = None;
    assert!(hello.line().contains(r#""data":"Hello, Ada!""#));
    assert_eq!(hello.exit().code(), Some(0));
}

#[test]
fn describe() {
    let mut command = example("probe");
    command
        .env("FAAS_MODE", "describe")
        .stdin(File::open("/dev/null").unwrap());
    let mut probe = Process::start(command);
    let manifest: serde_json::Value = serde_json::from_str(&probe.line()).unwrap();
    assert_eq!(manifest["name"], "libfaas-probe");
    assert_eq!(probe.exit().code(), Some(0));
}
