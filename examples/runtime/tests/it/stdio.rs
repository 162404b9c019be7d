//! The commands that run functions on stdio.

mod invoke;
mod pipe;
mod run;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Does what the type of an event says, misbehaviour too.
const FUNCTION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../libfaas/tests/it/host/tokio/function.py"
);

/// A folder with `function.py` and a manifest `NAME.json` with further members.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(FUNCTION, folder.path().join("function.py")).unwrap();
    folder
}

fn manifest(folder: &Path, file: &str, members: &Value) -> PathBuf {
    let mut manifest = json!({
        "fsi": "1.0", "name": "f", "command": ["python3", "function.py"], "modes": ["stream"],
    });
    for (name, value) in members.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    if members.get("pipeline").is_some() {
        manifest.as_object_mut().unwrap().remove("command");
    }
    let path = folder.join(file);
    std::fs::write(&path, manifest.to_string()).unwrap();
    path
}

fn runtime() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faas-runtime"));
    command.env_remove("FAAS_TENANT");
    command
}

/// A process that is spoken to in stream mode and JSON.
struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Driver {
    fn start(mut command: Command) -> Driver {
        command
            .env("FAAS_MODE", "stream")
            .env("FAAS_ENCODING", "json")
            .env("FAAS_CONCURRENCY", "16")
            .env("FAAS_FEATURES", "chunks")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut driver = Driver {
            child,
            stdin,
            stdout,
        };
        driver.write(&json!({"call": 0, "hello": {"fsi": "1.0"}}));
        driver
    }

    /// One that runs a manifest without isolation, so that what it starts can be looked for.
    fn run(manifest: &Path, options: &[&str]) -> Driver {
        let mut command = runtime();
        command
            .arg("run")
            .arg(manifest)
            .args(["--isolation", "none"])
            .args(options);
        Driver::start(command)
    }

    fn write(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{message}").unwrap();
    }

    /// The next message; None at the end.
    fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line).unwrap() {
            0 => None,
            _ => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    fn hello(&mut self) -> Value {
        let hello = self.read().expect("a hello");
        assert!(hello.get("hello").is_some(), "{hello}");
        hello["hello"]["status"].clone()
    }

    fn call(&mut self, call: u64, ty: &str, data: Value) {
        self.call_for(call, ty, data, json!({}));
    }

    fn call_for(&mut self, call: u64, ty: &str, data: Value, context: Value) {
        let event =
            json!({"specversion": "1.0", "id": "1", "source": "/test", "type": ty, "data": data});
        self.write(&json!({"call": call, "context": context, "event": event, "end": {}}));
    }

    /// All of a call's data, and its end.
    fn answer(&mut self, call: u64) -> (Vec<Value>, Value) {
        let mut data = Vec::new();
        loop {
            let message = self.read().expect("the call has not ended");
            assert_eq!(message["call"], call, "{message}");
            if let Some(event) = message.get("event") {
                data.push(event["data"].clone());
            }
            if let Some(end) = message.get("end") {
                return (data, end.clone());
            }
        }
    }

    /// The number of the process that a call hangs in.
    fn hang(&mut self, call: u64) -> i32 {
        self.call(call, "hang", json!({}));
        let message = self.read().unwrap();
        i32::try_from(message["event"]["data"].as_i64().unwrap()).unwrap()
    }

    /// Closes stdin and waits for the end.
    fn finish(mut self) -> i32 {
        drop(self.stdin.take());
        while self.read().is_some() {}
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What follows the name in parentheses: a zombie is not alive.
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Waits until a process is gone, which is soon.
fn gone(pid: i32) {
    let begun = Instant::now();
    while is_alive(pid) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "process {pid} is still there"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}
