//! `faas-runtime serve` as a child, and functions for it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Client};

/// Longer than anything takes that these tests wait for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A runtime that serves the functions of a folder of its own.
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: TempDir,
    /// Where the admin token is, which is no function.
    state: TempDir,
}

#[derive(Default)]
struct Log {
    records: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Log {
    /// Waits for the record that `wanted` takes something of.
    fn wait<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let end = Instant::now() + LONG;
        let mut records = self.records.lock().unwrap();
        loop {
            if let Some(found) = records.iter().find_map(&wanted) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in {records:#?}");
            records = self.more.wait_timeout(records, left).unwrap().0;
        }
    }
}

impl Server {
    /// Starts once `fill` has put functions into the folder.
    pub(crate) fn start(options: &[&str], fill: impl FnOnce(&Path)) -> Server {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        let state = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_faas-runtime"))
            .args(["serve", "."])
            .current_dir(folder.path())
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log",
                "json",
            ])
            .arg("--admin-token-file")
            .arg(state.path().join("token"))
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let record = serde_json::from_str(&line).unwrap_or(Value::String(line));
                shared.records.lock().unwrap().push(record);
                shared.more.notify_all();
            }
        });
        let [gateway, admin] = log.wait("address", |record| {
            let attributes = &record["attributes"];
            let address = |name| attributes[name].as_str()?.parse().ok();
            (record["body"] == "serves")
                .then(|| ["gateway", "admin"].map(|name| address(name).unwrap()))
        });
        Server {
            child,
            log,
            gateway,
            admin,
            folder,
            state,
        }
    }

    /// A request on a connection of its own.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Client::connect(self.gateway)
            .unwrap()
            .ask(line, headers, body)
            .unwrap()
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.state.path().join("token")
    }

    /// A request of an administrator.
    pub(crate) fn manage(&self, line: &str, body: Option<Value>) -> Answer {
        let token = fs::read_to_string(self.token_file()).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut client = Client::connect(self.admin).unwrap();
        client
            .ask(line, &[("authorization", &bearer)], body.as_bytes())
            .unwrap()
    }

    pub(crate) fn deploy(&self, name: &str, manifest: &Path) -> Answer {
        let line = format!("PUT /functions/default/{name}");
        self.manage(&line, Some(json!({"manifest": manifest})))
    }

    pub(crate) fn state(&self, name: &str) -> Value {
        self.manage(&format!("GET /functions/default/{name}"), None)
            .json()
    }

    /// Waits until a function's state is as wanted.
    pub(crate) fn wait_state(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LONG;
        loop {
            let state = self.state(name);
            if wanted(&state) {
                return state;
            }
            assert!(Instant::now() < end, "{state:#}");
            std::thread::yield_now();
        }
    }

    /// Waits for a record with this body and attribute.
    pub(crate) fn wait_record(&self, body: &str, name: &str, value: &str) -> Value {
        self.log.wait(body, |record| {
            let fits = record["body"] == body && record["attributes"][name] == value;
            fits.then(|| record.clone())
        })
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        self.log.records.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < end,
                "it does not end: {:#?}",
                self.records()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test waited for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../functions")
        .join(name)
}

/// The example in Python, in a folder where it can be changed.
pub(crate) fn python(root: &Path) -> PathBuf {
    let folder = root.join("python-wordcount");
    fs::create_dir_all(&folder).unwrap();
    for file in ["function.yaml", "main.py", "faas.py"] {
        fs::copy(example("python-wordcount").join(file), folder.join(file)).unwrap();
    }
    folder
}

/// The example in Rust, as its Makefile has it: the program, linked where the manifest looks for it.
pub(crate) fn rust(root: &Path) -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "-q", "-p", "rust-wordcount"])
            .status();
        assert!(built.unwrap().success());
    });
    let programs = Path::new(env!("CARGO_BIN_EXE_faas-runtime"))
        .parent()
        .unwrap();
    let folder = root.join("rust-wordcount");
    fs::create_dir_all(folder.join("build")).unwrap();
    fs::copy(
        example("rust-wordcount").join("function.yaml"),
        folder.join("function.yaml"),
    )
    .unwrap();
    fs::copy(
        programs.join("rust-wordcount"),
        folder.join("build/rust-wordcount"),
    )
    .unwrap();
    folder
}

/// A function in binary mode that is a line of shell.
pub(crate) fn shell(root: &Path, name: &str, line: &str) -> PathBuf {
    let folder = root.join(name);
    fs::create_dir_all(&folder).unwrap();
    let manifest =
        json!({"fsi": "1.0", "name": name, "command": ["sh", "-c", line], "modes": ["binary"]});
    fs::write(folder.join("function.json"), manifest.to_string()).unwrap();
    folder
}
