//! Level I1, as the superuser and as nobody.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use libfaas::host::{Level, Measure, Measures, Sandbox};

use super::starting::ESCAPE;
use super::{Run, eventually, is_alive, lines};

pub(super) const LOOK: &str = r#"
import os, resource
status = dict(l.rstrip("\n").split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
d = os.open("/", os.O_RDONLY); os.close(d)
print("fds", *[n for n in fds if n != d])
print("blocking", *[os.get_blocking(n) for n in (0, 1, 2)])
print("blocked", int(status["SigBlk"], 16))
# Python itself ignores SIGPIPE and SIGXFSZ.
print("ignored", int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24))
print("session", os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())
print("umask", oct(os.umask(0)))
print("privileges", status["NoNewPrivs"])
print("core", *resource.getrlimit(resource.RLIMIT_CORE))
try:
    os.open("/dev/tty", os.O_RDWR); print("tty yes")
except OSError:
    print("tty no")
"#;

#[test]
fn a_clean_start() {
    let seen = lines(&Run::at(Level::Hygiene).python(LOOK));
    let expected = [
        ("fds", "0 1 2"),
        ("blocking", "True True True"),
        ("blocked", "0"),
        ("ignored", "0"),
        ("session", "True True"),
        ("umask", "0o77"),
        ("privileges", "1"),
        ("core", "0 0"),
        ("tty", "no"),
    ];
    for (name, value) in expected {
        assert_eq!(seen[name], value, "{name}");
    }
}

#[test]
fn each_measure_is_what_brings_its_effect_about() {
    let cases = [
        (Measure::Descriptors, "fds", "0 1 2 3"),
        (Measure::Blocking, "blocking", "False False False"),
        (Measure::Signals, "blocked", "512"),
        (Measure::Session, "session", "False True"),
        (Measure::Umask, "umask", "0o22"),
        (Measure::NoNewPrivileges, "privileges", "0"),
    ];
    for (measure, name, value) in cases {
        let run = Run {
            measures: Measures::default().without(measure),
            ..Run::at(Level::Hygiene)
        };
        assert_eq!(lines(&run.python(LOOK))[name], value, "{measure:?}");
    }
}

#[test]
fn sigpipe_ends_a_stage_whose_reader_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let line = "pipeline:\n  - command: [sh, -c, 'yes; echo $? >&2']\n  - command: [head, -n1]";
    let came = super::finish(
        Run::at(Level::Hygiene)
            .start_as(folder.path(), line)
            .unwrap(),
        b"",
    );
    assert_eq!((came.stdout.as_str(), came.stderr.trim()), ("y\n", "141"));
}

#[test]
fn memory_beyond_the_limit_is_the_end() {
    let run = Run::at(Level::Hygiene).with("limits: { memory: 64Mi }");
    let came = run.python("b = bytearray(1 << 20)\nwhile True: b += bytes(b'x') * (1 << 20)");
    assert_eq!(came.status.signal(), Some(9), "{came:?}");
    assert!(came.memory_exceeded);
    let came = run.python("b = bytearray(16 << 20)");
    assert!(came.status.success() && !came.memory_exceeded, "{came:?}");
}

#[test]
fn memory_that_one_left_behind_is_not_the_next_ones() {
    let left = format!("/dev/shm/libfaas-left-{}", std::process::id());
    if fs::write(&left, "").is_err() {
        return;
    }
    // Nobody else's limit.
    let run = Run::at(Level::Hygiene).with("limits: { memory: 71Mi }");
    let leave = format!("f = open({left:?}, 'wb')\nfor _ in range(45): f.write(bytes(1 << 20))");
    let first = run.python(&leave);
    let second = run.python("b = bytearray(b'x') * (40 << 20)");
    fs::remove_file(&left).unwrap();
    assert!(first.status.success(), "{first:?}");
    assert!(
        second.status.success() && !second.memory_exceeded,
        "{second:?}"
    );
}

#[test]
fn memory_of_a_grandchild_counts() {
    let run = Run::at(Level::Hygiene).with("limits: { memory: 64Mi }");
    let came = run.python("import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', 'b = bytearray(1 << 20)\\nwhile True: b += bytes(1 << 20)'])\ntime.sleep(60)");
    assert_eq!(came.status.signal(), Some(9), "{came:?}");
    assert!(came.memory_exceeded);
}

#[test]
fn memory_that_processes_share_counts_once() {
    let run = Run::at(Level::Hygiene).with("limits: { memory: 64Mi }");
    // Longer than a host without control groups takes to look several times.
    let came = run.python("import os, time\nb = bytearray(b'x') * (30 << 20)\nfor _ in range(2): os.fork()\ntime.sleep(0.3)");
    assert!(came.status.success() && !came.memory_exceeded, "{came:?}");
}

#[test]
fn processes_and_threads_are_bounded_per_instance() {
    let program = r#"
import os, time
n = 1
try:
    while n < 100:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        n += 1
except OSError as e:
    print("error", e.errno)
print("count", n, flush=True)
os.kill(0, 9)
"#;
    let run = Run::at(Level::Hygiene).with("limits: { pids: 12 }");
    // Two at the same time, each with its own count.
    let other = std::thread::spawn(move || {
        Run::at(Level::Hygiene)
            .with("limits: { pids: 12 }")
            .python(program)
            .stdout
    });
    let came = run.python(program);
    let expected = "error 11\ncount 12\n";
    assert_eq!(
        (came.stdout.as_str(), other.join().unwrap().as_str()),
        (expected, expected)
    );
}

#[test]
fn nothing_outlives_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let mut instance = Run::at(Level::Hygiene)
        .start(folder.path(), &["python3", "-c", ESCAPE])
        .unwrap();
    instance.processes[0].wait().unwrap();
    let mut text = [0; 64];
    let n = rustix::io::read(&instance.stdout, &mut text).unwrap();
    let pid: i32 = std::str::from_utf8(&text[..n])
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(is_alive(pid));
    drop(instance);
    eventually("the grandchild is gone", || !is_alive(pid));
}

#[test]
fn the_claim_names_its_means() {
    let means = Sandbox::probe(Level::Hygiene).unwrap().0;
    assert!(
        means.contains("memory: ") && means.contains("pids: "),
        "{means}"
    );
}

/// All tests of this file and of `starting`, once more without any privilege.
#[test]
fn the_same_as_nobody() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Where nobody may reach it.
    let dir = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = dir.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    command.args([
        "host::sandbox::hygiene",
        "host::sandbox::starting",
        "--test-threads=2",
    ]);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .uid(65534)
        .gid(65534);
    // Other tests are starting processes, which hold for a moment what we have written through.
    let output = loop {
        match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => break output.unwrap(),
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("hygiene::a_clean_start ... ok"), "{text}");
}
