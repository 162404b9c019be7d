//! Nothing that a case started outlives the case.
//!
//! The suite is the reaper of whatever its subjects leave behind (Linux), so a process that
//! detached itself is still a descendant of the suite. It belongs to a case if it descends from the
//! subject's own process, shares its session, or carries the case's private TMPDIR.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

/// How long killed processes may take to disappear.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Makes orphaned descendants children of the suite, so that they can be found and reaped.
#[cfg(target_os = "linux")]
pub fn become_reaper() {
    // Without it (an old kernel), detached grandchildren are found by session and TMPDIR only while
    // their parents live; nothing else changes.
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// Elsewhere sessions and process groups have to do.
#[cfg(not(target_os = "linux"))]
pub fn become_reaper() {}

#[derive(Debug)]
struct Entry {
    parent: i32,
    session: i32,
    zombie: bool,
}

/// The processes of the machine that can be seen, from this pid on.
fn processes(from: i32) -> HashMap<i32, Entry> {
    let mut found = HashMap::new();
    let Ok(dir) = fs::read_dir("/proc") else {
        return found;
    };
    for entry in dir.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<i32>().ok())
        else {
            continue;
        };
        if pid < from {
            continue;
        }
        // A process that ends while we look is no process.
        let Ok(stat) = fs::read(entry.path().join("stat")) else {
            continue;
        };
        let Some(stat) = parse_stat(&stat) else {
            continue;
        };
        found.insert(pid, stat);
    }
    found
}

/// Pids are given out in ascending order, so what descends from the leaders has a greater one, and
/// most processes need no look; unless the numbers may begin anew in the meantime.
fn first_of(leaders: &[Pid]) -> i32 {
    const MARGIN: i32 = 100_000;
    let limit = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
    let limit: i32 = limit.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let first = leaders
        .iter()
        .map(|pid| pid.as_raw_nonzero().get())
        .min()
        .unwrap_or(0);
    if first < limit.saturating_sub(MARGIN) {
        first
    } else {
        0
    }
}

/// `pid (name) state ppid pgrp session …`; the name may contain anything, so count from its end.
fn parse_stat(stat: &[u8]) -> Option<Entry> {
    let after = stat.iter().rposition(|&b| b == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after..])
        .ok()?
        .split_ascii_whitespace();
    let zombie = fields.next()? == "Z";
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Entry {
        parent,
        session,
        zombie,
    })
}

/// The processes of a case: of the sessions that its stages lead, below them, or with its TMPDIR.
fn of_case(all: &HashMap<i32, Entry>, leaders: &[Pid], tmp: &Path) -> HashSet<i32> {
    let me = getpid().as_raw_nonzero().get();
    let leaders: HashSet<i32> = leaders.iter().map(|p| p.as_raw_nonzero().get()).collect();
    let mine = |pid: i32| -> bool {
        let mut above = pid;
        let mut descends_from_suite = false;
        // The loop is bounded: pids may be reused between two reads, which could make a cycle.
        for _ in 0..64 {
            if leaders.contains(&above) {
                return true;
            }
            match all.get(&above) {
                Some(entry) if leaders.contains(&entry.session) => return true,
                Some(entry) if entry.parent == me => {
                    descends_from_suite = true;
                    break;
                }
                Some(entry) if entry.parent > 1 => above = entry.parent,
                _ => break,
            }
        }
        descends_from_suite && has_tmpdir(pid, tmp)
    };
    all.keys()
        .copied()
        .filter(|&pid| pid != me && mine(pid))
        .collect()
}

fn has_tmpdir(pid: i32, tmp: &Path) -> bool {
    let wanted = [b"TMPDIR=", tmp.as_os_str().as_bytes()].concat();
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|env| env.split(|&b| b == 0).any(|v| v == wanted))
}

/// Live processes of the case besides its stages themselves, as `name (pid)`, for the report.
pub fn survivors(leaders: &[Pid], tmp: &Path) -> Vec<String> {
    let all = processes(first_of(leaders));
    let mut found: Vec<String> = of_case(&all, leaders, tmp)
        .into_iter()
        .filter(|pid| !all[pid].zombie && !leaders.iter().any(|l| l.as_raw_nonzero().get() == *pid))
        .map(command_line)
        .collect();
    found.sort();
    found
}

fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line
        .split(|&b| b == 0)
        .filter(|w| !w.is_empty())
        .map(|w| OsStr::from_bytes(w).to_string_lossy().into_owned())
        .collect();
    format!("`{}` (pid {pid})", words.join(" "))
}

/// Kills whatever the stages of a case, which are dead and reaped, have left, and waits until
/// nothing is. False if something withstands.
pub fn kill_left(leaders: &[Pid], tmp: &Path) -> bool {
    let first = first_of(leaders);
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        let left = of_case(&processes(first), leaders, tmp);
        if left.is_empty() {
            return true;
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
            // Reaps it if it is ours already; an orphan becomes ours in a later round.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// At the end of the run: whatever still descends from the suite goes, whichever case it came from.
pub fn kill_descendants() {
    let me = getpid().as_raw_nonzero().get();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let children: Vec<i32> = processes(0)
            .into_iter()
            .filter(|(_, e)| e.parent == me)
            .map(|(pid, _)| pid)
            .collect();
        if children.is_empty() {
            return;
        }
        for pid in children.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
