//! Sandboxes, from inside: small programs that look around, and that try what they must not.

#[cfg(target_os = "linux")]
mod cycles;
#[cfg(target_os = "linux")]
mod escape;
#[cfg(target_os = "linux")]
mod hygiene;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use libfaas::host::{Instance, Level, Measures, Revision, Settings, start};
use libfaas::{Context, Event, Manifest, Status};

/// What a run needs to know, with what is usual.
pub(crate) struct Run {
    pub(crate) level: Level,
    pub(crate) tenant: &'static str,
    /// Lines of the manifest, such as `limits: { pids: 8 }`.
    pub(crate) manifest: String,
    pub(crate) measures: Measures,
    pub(crate) stdin: Vec<u8>,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            level: Level::None,
            tenant: "acme",
            manifest: String::new(),
            measures: Measures::default(),
            stdin: Vec::new(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) memory_exceeded: bool,
    pub(crate) tmpdir: String,
}

impl Run {
    pub(crate) fn at(level: Level) -> Run {
        Run {
            level,
            ..Run::default()
        }
    }

    pub(crate) fn with(mut self, line: &str) -> Run {
        self.manifest += line;
        self.manifest += "\n";
        self
    }

    /// Starts a command, written as in the manifest, in a folder.
    pub(crate) fn start(&self, folder: &Path, command: &[&str]) -> Result<Instance, Status> {
        let commands = serde_json::to_string(command).unwrap();
        self.start_as(folder, &format!("command: {commands}"))
    }

    pub(crate) fn start_as(&self, folder: &Path, line: &str) -> Result<Instance, Status> {
        let settings = Settings {
            level: self.level,
            measures: self.measures,
            ..Settings::default()
        };
        let text = format!(
            "fsi: \"1.0\"\nname: tester\nmodes: [binary]\n{line}\n{}",
            self.manifest
        );
        let manifest = Manifest::from_yaml(&text).unwrap();
        let revision = Revision::new(manifest, folder, self.tenant, "r1", &settings)?;
        let event = Event::builder("1", "/test", "test").build().unwrap();
        start(&revision, &settings, Some((&Context::default(), &event)))
    }

    /// Runs a program in Python to its end.
    pub(crate) fn python(&self, program: &str) -> Came {
        self.command(&["python3", "-c", program])
    }

    pub(crate) fn command(&self, command: &[&str]) -> Came {
        let folder = tempfile::tempdir().unwrap();
        finish(self.start(folder.path(), command).unwrap(), &self.stdin)
    }
}

/// Feeds it, reads it, waits for its end.
pub(crate) fn finish(instance: Instance, input: &[u8]) -> Came {
    let Instance {
        mut processes,
        stdin,
        stdout,
        mut stderr,
        sandbox,
    } = instance;
    let mut writer = fs::File::from(stdin);
    let _ = writer.write_all(input);
    drop(writer);
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        for fd in stderr.drain(..) {
            let _ = fs::File::from(fd).read_to_string(&mut text);
        }
        text
    });
    let mut bytes = Vec::new();
    fs::File::from(stdout).read_to_end(&mut bytes).unwrap();
    let statuses: Vec<ExitStatus> = processes
        .iter_mut()
        .map(|process| process.wait().unwrap())
        .collect();
    let memory_exceeded = sandbox.memory_exceeded();
    let tmpdir = sandbox.tmpdir().to_owned();
    sandbox.destroy();
    Came {
        status: *statuses.last().unwrap(),
        stdout: String::from_utf8_lossy(&bytes).into_owned(),
        stderr: errors.join().unwrap(),
        memory_exceeded,
        tmpdir,
    }
}

/// `name value` lines, as a map.
pub(crate) fn lines(came: &Came) -> BTreeMap<String, String> {
    assert!(came.status.success(), "{came:?}");
    let pair = |line: &str| {
        line.split_once(' ')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    came.stdout.lines().filter_map(pair).collect()
}

/// Waits until it holds, for at most ten seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "expected within ten seconds: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
