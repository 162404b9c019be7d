//! Thousands of starts and kills leave nothing behind. A few of them in every run, all on request:
//! `cargo test -p libfaas --features host --test it cycles -- --ignored`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libfaas::host::{Instance, Level, Sandbox};

use super::Run;

/// What `/proc` says of children that have ended and were not reaped, and of those that still run.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut stats: Vec<String> = processes
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .collect();
    stats.retain(|stat| {
        let after = stat.rsplit_once(") ").map(|(_, after)| after);
        after.and_then(|after| after.split(' ').nth(1)) == Some(me.as_str())
    });
    stats
}

/// Descriptors of a control group that waits for the next instance. Whether one does depends on how
/// soon the last process was seen to be gone.
const OF_A_KEPT_GROUP: usize = 2;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// In a process of its own, so that no other test's children and descriptors are counted.
fn cycles(level: Level, count: usize) {
    if let Err(missing) = Sandbox::probe(level) {
        eprintln!("skipped: {missing}");
        return;
    }
    let name = format!("host::sandbox::cycles::alone_{level}");
    let program = std::env::current_exe().unwrap();
    let output = run_ignored(&mut Command::new(program), &name, count).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run_ignored(program: &mut Command, name: &str, count: usize) -> std::io::Result<Output> {
    program
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env("FAAS_TEST_CYCLES", count.to_string())
        .output()
}

fn alone(level: Level) {
    // Whoever asks for all that is ignored gets it by the tests below.
    let Ok(count) = std::env::var("FAAS_TEST_CYCLES") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let run = Run::at(level);
    let cycle = |n: usize| {
        let Instance {
            mut processes,
            sandbox,
            ..
        } = run.start(folder.path(), &["sleep", "600"]).unwrap();
        let tmpdir = sandbox.tmpdir().to_owned();
        match n % 3 {
            // Killed by the sandbox's end, by hand before it, or by hand and waited for.
            0 => {}
            1 => sandbox.kill(),
            _ => {
                sandbox.kill();
                processes[0].wait().unwrap();
            }
        }
        drop(sandbox);
        if level < Level::MultiTenant {
            assert!(!Path::new(&tmpdir).exists());
        }
    };
    (0..50).for_each(cycle);
    let before = (descriptors(), children().len(), resident_kib());
    (0..count.parse().unwrap()).for_each(cycle);
    let after = (descriptors(), children().len(), resident_kib());
    assert!(
        before.0.abs_diff(after.0) <= OF_A_KEPT_GROUP,
        "descriptors went from {} to {}",
        before.0,
        after.0
    );
    assert_eq!((before.1, after.1), (0, 0), "children, before and after");
    assert!(
        after.2 < before.2 + 2048,
        "memory grew from {} KiB to {} KiB",
        before.2,
        after.2
    );
    println!("{count} cycles at {level}: {after:?} descriptors, children, KiB resident");
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[allow(non_snake_case)]
fn alone_none() {
    alone(Level::None);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[allow(non_snake_case)]
fn alone_I1() {
    alone(Level::Hygiene);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[allow(non_snake_case)]
fn alone_I2() {
    alone(Level::MultiTenant);
}

#[test]
fn a_few_leave_nothing_behind() {
    for level in [Level::None, Level::Hygiene, Level::MultiTenant] {
        cycles(level, 50);
    }
}

/// Each leaves somebody in a session of his own, whose parent is gone, with a child.
fn leave_orphans(level: Level) {
    let Ok(count) = std::env::var("FAAS_TEST_CYCLES") else {
        return;
    };
    if std::process::id() != 1 {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    }
    if let Err(missing) = Sandbox::probe(level) {
        println!("skipped: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = [
        "sh",
        "-c",
        "setsid sh -c 'sleep 600 & sleep 600; true' & true",
    ];
    for n in 0..count.parse().unwrap() {
        let mut instance = Run::at(level).start(folder.path(), &command).unwrap();
        if n % 2 == 0 {
            instance.processes[0].wait().unwrap();
        }
        drop(instance);
    }
    assert_eq!(children(), [""; 0]);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn orphans_none() {
    leave_orphans(Level::None);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[allow(non_snake_case)]
fn orphans_I1() {
    leave_orphans(Level::Hygiene);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[allow(non_snake_case)]
fn orphans_I2() {
    leave_orphans(Level::MultiTenant);
}

/// Runs it for every level, by way of another program or none.
fn orphans_by_way_of(words: &[&str]) {
    for level in [Level::None, Level::Hygiene, Level::MultiTenant] {
        let name = format!("host::sandbox::cycles::orphans_{level}");
        let program = std::env::current_exe().unwrap();
        let mut command = match words {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        let Ok(output) = run_ignored(&mut command, &name, 20) else {
            eprintln!("skipped: there is no {}", words[0]);
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        if !text.contains("running 1 test") {
            eprintln!(
                "skipped: {} is not possible here: {errors}",
                words.join(" ")
            );
            return;
        }
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{errors}"
        );
    }
}

#[test]
fn who_is_handed_to_a_subreaper_is_reaped() {
    orphans_by_way_of(&[]);
}

#[test]
fn who_is_handed_to_process_1_is_reaped() {
    orphans_by_way_of(&["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
}

#[test]
#[ignore = "takes a minute; CONTRIBUTING.md has its command"]
fn ten_thousand_leave_nothing_behind() {
    cycles(Level::None, 1000);
    cycles(Level::Hygiene, 10_000);
    cycles(Level::MultiTenant, 2000);
}
