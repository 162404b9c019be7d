//! What a stranger sees whose function does something else than the contract.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::suite::{Suite, filters};

macro_rules! stream {
    ($($name:ident: $shell:expr;)+) => {
        $(#[test]
        fn $name() {
            let seen = Suite::new().judge_stream($shell);
            filters().bind(|| insta::assert_snapshot!(seen));
        })+
    };
}

stream! {
    stream_exits_with_failure: "read hello; exit 1";
    stream_banner: "echo 'Loading the model, please wait'; cat >/dev/null";
    stream_buffers_until_eof: "input=$(cat); echo \"$input\" | sed 's/faas-conformance [0-9.]*/buffering/'; exec sleep 1000";
    stream_reads_all_and_says_nothing: "cat >/dev/null";
    stream_never_answers: "exec sleep 1000";
    stream_floods_stderr: "yes 'still here' >&2";
    stream_crashes: "read hello; echo 'about to crash' >&2; kill -SEGV $$";
    stream_hello_then_nothing: "read hello; echo '{\"hello\":{\"fsi\":\"1.0\",\"producer\":\"half\"}}'; exec sleep 1000";
    stream_hello_then_garbage: "read hello; echo '{\"hello\":{\"fsi\":\"1.0\",\"producer\":\"half\"}}'; read call; sleep 0.1; echo 'debug: got a call'; exec sleep 1000";
}

#[test]
fn stream_cat() {
    let seen = Suite::new().judge(&["--mode", "stream", "--encoding", "json"], &["cat"]);
    filters().bind(|| insta::assert_snapshot!(seen));
}

#[test]
fn binary_tr_conforms() {
    let seen = Suite::new().judge(&["--mode", "binary"], &["tr", "a-z", "A-Z"]);
    filters().bind(|| insta::assert_snapshot!(seen));
}

#[test]
fn verbose_shows_what_passes_and_by_which_rules() {
    let seen = Suite::new().judge(&["--mode", "binary", "--verbose"], &["tr", "a-z", "A-Z"]);
    let passed: Vec<&str> = seen
        .lines()
        .filter(|line| line.starts_with("pass"))
        .collect();
    assert!(
        passed
            .iter()
            .any(|line| line.contains("binary") && line.contains("oneshot-eof")),
        "{seen}"
    );
}

#[test]
fn binary_exits_with_failure() {
    let seen = Suite::new().judge(
        &["--mode", "binary"],
        &["sh", "-c", "cat >/dev/null; exit 1"],
    );
    filters().bind(|| insta::assert_snapshot!(seen));
}

#[test]
fn binary_never_exits() {
    let seen = Suite::new().judge(&["--mode", "binary"], &["sh", "-c", "cat; exec sleep 1000"]);
    filters().bind(|| insta::assert_snapshot!(seen));
}

#[test]
fn a_grandchild_that_holds_stdout_holds_nothing_up() {
    let begin = Instant::now();
    let seen = Suite::new().judge(&["--mode", "binary"], &["sh", "-c", "sleep 4711 & cat"]);
    assert!(seen.contains("exit 0"), "{seen}");
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
    assert_eq!(running("sleep 4711"), 0, "a grandchild was left behind");
}

#[test]
fn detached_processes_are_found_and_killed() {
    // In a session of its own, without a parent, with another TMPDIR.
    let shell = "TMPDIR=/ setsid sleep 4712 & setsid setsid sleep 4712 & cat";
    let seen = Suite::new().judge(&["--mode", "binary"], &["sh", "-c", shell]);
    assert!(seen.contains("exit 0"), "{seen}");
    assert_eq!(
        running("sleep 4712"),
        0,
        "a detached process was left behind"
    );
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let suite = Suite::new();
    let args = [
        "function",
        "--mode",
        "stream",
        "--encoding",
        "json",
        "--sample",
        "s.json",
        "--",
        "sh",
        "-c",
    ];
    let mut command = suite.command(&args);
    command
        .arg("setsid sleep 4713 & exec sleep 4713")
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("the suite starts");
    let begin = Instant::now();
    while running("sleep 4713") < 2 {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the subject did not start"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert_eq!(
        running("sleep 4713"),
        0,
        "the interrupted suite left a process behind"
    );
}

#[test]
fn what_an_interrupt_left_out_was_not_judged() {
    let suite = Suite::new();
    let probe = env!("CARGO_BIN_EXE_faas-probe");
    // Passes the first case of each mode, and hangs in the second one of binary mode.
    let shell = format!(
        "[ \"$FAAS_MODE\" = stream ] && exec {probe}; [ -e seen ] && exec sleep 4715; : >seen; exec cat"
    );
    let fixed = ["sdk", "--mode", "binary", "--mode", "stream", "--encoding"];
    let how = ["json", "--jobs", "1", "--timeout-scale", "100", "--report"];
    let mut command =
        suite.command(&[&fixed[..], &how, &["r.json", "--", "sh", "-c", &shell]].concat());
    command.stderr(std::process::Stdio::null());
    let child = command.spawn().expect("the suite starts");
    let begin = Instant::now();
    while running("sleep 4715") < 1 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "the subject did not start"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let report = std::fs::read(suite.folder.path().join("r.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let profiles = report["profiles"].as_array().expect("profiles");
    let yes: Vec<_> = profiles.iter().filter(|p| p["verdict"] == "yes").collect();
    assert!(yes.is_empty(), "{yes:?}");
}

#[test]
fn subjects_get_no_descriptor_but_stdio() {
    // Descriptor 7 of the suite is open, and not marked for closing.
    let suite = Suite::new();
    let exe = env!("CARGO_BIN_EXE_faas-conformance");
    let script = format!(
        "exec 7</dev/null; exec {exe} function --mode binary --sample s.json --timeout-scale 0.3 -- sh -c 'cat; ls /proc/self/fd >&2; exit 9'"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(suite.folder.path())
        .output()
        .expect("sh starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let listed = text
        .split("stderr")
        .nth(1)
        .expect("stderr is shown")
        .split("exit")
        .next()
        .expect("and ends");
    let fds: Vec<&str> = listed.split_whitespace().collect();
    // 3 is the folder that `ls` reads.
    assert_eq!(fds, ["0", "1", "2", "3"], "{text}");
}

/// Processes with exactly this command line.
fn running(command: &str) -> usize {
    let wanted: Vec<u8> = command
        .bytes()
        .map(|b| if b == b' ' { 0 } else { b })
        .chain([0])
        .collect();
    let entries = std::fs::read_dir("/proc")
        .expect("the tests run on Linux")
        .flatten();
    entries
        .filter(|e| std::fs::read(e.path().join("cmdline")).is_ok_and(|line| line == wanted))
        .count()
}
