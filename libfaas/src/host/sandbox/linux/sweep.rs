//! Finding an instance's processes without control groups.
//!
//! The host is the reaper of whatever its functions leave behind, so a process that detached itself
//! is still a descendant of the host. It belongs to an instance if it descends from one of its
//! stages, shares a session with one, or was started with its `TMPDIR`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::cgroup::reap_orphan;

/// Makes orphaned descendants children of the host.
pub(super) fn become_reaper() {
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// The processes of the machine, at one moment.
#[derive(Debug)]
pub(super) struct Table(HashMap<i32, Entry>);

/// A process, as `/proc` has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) parent: i32,
    session: i32,
    zombie: bool,
    /// When it was started; with the number it names a process for ever.
    start: u64,
    resident_pages: u64,
}

/// The processes that an instance was seen to have.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The stages, which lead their sessions: number, and start as soon as that was seen.
    leaders: HashMap<i32, Option<u64>>,
    /// Number and start of each that was found.
    seen: HashMap<i32, u64>,
}

impl Known {
    /// A stage that was started and not reaped yet.
    pub(super) fn leads(&mut self, pid: Pid) {
        let pid = pid.as_raw_nonzero().get();
        let start = Entry::of(pid).map(|entry| entry.start);
        self.leaders.insert(pid, start);
    }
}

impl Entry {
    /// As it is now.
    pub(super) fn of(pid: i32) -> Option<Entry> {
        parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Bytes in memory.
    pub(super) fn resident(&self) -> u64 {
        self.resident_pages * rustix::param::page_size() as u64
    }
}

impl Table {
    /// # Errors
    ///
    /// It can't be read, for want of descriptors for example: nobody knows then what runs.
    pub(super) fn read() -> io::Result<Table> {
        let mut table = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let stat = match fs::read(format!("/proc/{pid}/stat")) {
                Ok(stat) => stat,
                Err(error) if is_scarcity(&error) => return Err(error),
                // A process that ends while we look is no process.
                Err(_) => continue,
            };
            table.extend(parse_stat(&stat).map(|entry| (pid, entry)));
        }
        Ok(Table(table))
    }

    /// The live processes of an instance, which are remembered.
    pub(super) fn find(&self, known: &mut Known, tmpdir: &str) -> Vec<i32> {
        let me = getpid().as_raw_nonzero().get();
        // Who was started since the table was read is not in it.
        let latest = self.0.values().map(|entry| entry.start).max();
        known.seen.retain(|pid, start| match self.0.get(pid) {
            Some(entry) => entry.start == *start,
            None => Some(*start) >= latest,
        });
        // A number is given out again once nobody has it, also as that of his session.
        known.leaders.retain(|pid, start| {
            let same = |entry: &Entry| *start.get_or_insert(entry.start) == entry.start;
            self.0.get(pid).is_none_or(same)
        });
        let mut foreign: HashSet<i32> = HashSet::new();
        for &pid in self.0.keys().filter(|&&pid| pid != me) {
            let mut path = Vec::new();
            let mut above = pid;
            let belongs = loop {
                let Some(entry) = self.0.get(&above) else {
                    break false;
                };
                if known.leaders.contains_key(&above)
                    || known.leaders.contains_key(&entry.session)
                    || known.seen.contains_key(&above)
                {
                    break true;
                }
                if entry.parent <= 1
                    || entry.parent == me
                    || foreign.contains(&above)
                    || path.len() > 64
                {
                    // Only what the host has inherited is worth the look at its environment.
                    break entry.parent == me && has_tmpdir(above, tmpdir);
                }
                path.push(above);
                above = entry.parent;
            };
            path.push(above);
            for pid in path {
                match self.0.get(&pid) {
                    Some(entry) if belongs => drop(known.seen.insert(pid, entry.start)),
                    _ => drop(foreign.insert(pid)),
                }
            }
        }
        let alive = |pid: &&i32| self.0.get(pid).is_some_and(|entry| !entry.zombie);
        known.seen.keys().filter(alive).copied().collect()
    }

    /// Bytes in memory of these processes; what they share counts for each of them.
    pub(super) fn resident(&self, pids: &[i32]) -> u64 {
        let entries = pids.iter().filter_map(|pid| self.0.get(pid));
        entries.map(Entry::resident).sum()
    }

    pub(super) fn children_of(&self, parent: Pid) -> Vec<i32> {
        let parent = parent.as_raw_nonzero().get();
        let children = self.0.iter().filter(|(_, entry)| entry.parent == parent);
        children.map(|(&pid, _)| pid).collect()
    }

    fn start_of(&self, pid: i32) -> Option<u64> {
        self.0.get(&pid).map(|entry| entry.start)
    }
}

/// The children of the host: those that it has inherited, which go to its first thread, and at most
/// all others.
pub(super) fn children() -> Vec<Pid> {
    let me = getpid();
    // Not every kernel has it.
    let list = fs::read_to_string(format!("/proc/{me}/task/{me}/children"));
    let numbers: Vec<i32> = match list {
        Ok(list) => list.split_whitespace().flat_map(str::parse).collect(),
        Err(_) => Table::read().map_or_else(|_| Vec::new(), |table| table.children_of(me)),
    };
    numbers.into_iter().filter_map(Pid::from_raw).collect()
}

/// `pid (name) state ppid pgrp session …`, from the state on; the name may contain anything, so count
/// from its end.
fn stat_fields(stat: &[u8]) -> Option<Vec<&str>> {
    let after = stat.iter().rposition(|&b| b == b')')? + 1;
    Some(
        std::str::from_utf8(&stat[after..])
            .ok()?
            .split_ascii_whitespace()
            .collect(),
    )
}

fn parse_stat(stat: &[u8]) -> Option<Entry> {
    let fields = stat_fields(stat)?;
    Some(Entry {
        zombie: *fields.first()? == "Z",
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        resident_pages: fields.get(21)?.parse().ok()?,
    })
}

fn has_tmpdir(pid: i32, tmpdir: &str) -> bool {
    const LOOKS: usize = 2000;
    let wanted = [b"TMPDIR=", tmpdir.as_bytes()].concat();
    for _ in 0..LOOKS {
        let env = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if !env.is_empty() || !is_executing(pid) {
            return env.split(|&b| b == 0).any(|v| v == wanted);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Whether it is about to execute a program: then it has no environment yet, not even an empty one.
fn is_executing(pid: i32) -> bool {
    const END_OF_ENVIRONMENT: usize = 48;
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat_fields(&stat).unwrap_or_default();
    fields.first() != Some(&"Z") && fields.get(END_OF_ENVIRONMENT) == Some(&"0")
}

/// Kills what an instance has, once. True if it had nothing; false also if that can't be seen now.
pub(super) fn kill(known: &mut Known, tmpdir: &str) -> bool {
    let Ok(table) = Table::read() else {
        return false;
    };
    let found = table.find(known, tmpdir);
    for &pid in &found {
        let Some(pidfd) = open_as_seen(&table, pid) else {
            continue;
        };
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        if !known.leaders.contains_key(&pid) {
            reap_orphan(&pidfd);
        }
    }
    reap_zombies(&table, known);
    found.is_empty()
}

/// Kills what an instance has until it has nothing. False if something withstands.
pub(super) fn empty(known: &mut Known, tmpdir: &str, patience: Duration) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    while !kill(known, tmpdir) {
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    true
}

/// Whether something was missing that may be there later: descriptors or memory.
pub(super) fn is_scarcity(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM]
        .map(Some)
        .contains(&errno)
}

/// The process that had this number when the table was read.
fn open_as_seen(table: &Table, pid: i32) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let now = Entry::of(pid)?;
    (table.start_of(pid) == Some(now.start)).then_some(pidfd)
}

/// Reaps the dead that were handed to the host. The stages are left to whoever holds them.
fn reap_zombies(table: &Table, known: &Known) {
    let me = getpid().as_raw_nonzero().get();
    for (&pid, entry) in &table.0 {
        let ours = known.seen.contains_key(&pid) && !known.leaders.contains_key(&pid);
        let orphan = ours && entry.zombie && entry.parent == me;
        if let Some(pidfd) = orphan.then(|| open_as_seen(table, pid)).flatten() {
            reap_orphan(&pidfd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 4 5 6 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 1000 42 0";
        let entry = parse_stat(format!("3 (a) b (c) {rest}").as_bytes()).unwrap();
        assert_eq!(
            (
                entry.parent,
                entry.session,
                entry.start,
                entry.resident_pages
            ),
            (4, 6, 777, 42)
        );
    }

    #[test]
    fn whoever_gets_the_number_of_a_stage_that_has_gone_belongs_to_nobody() {
        let process = |parent, session, start| Entry {
            parent,
            session,
            zombie: false,
            start,
            resident_pages: 1,
        };
        let table = Table(HashMap::from([
            (1, process(0, 1, 0)),
            // Of another stage, and what it left behind in its session.
            (70, process(2, 70, 100)),
            (71, process(1, 60, 101)),
            // Has the number of the stage that was started at 50 and reaped, and a child.
            (50, process(1, 50, 900)),
            (51, process(50, 50, 901)),
        ]));
        let mut known = Known {
            leaders: HashMap::from([(50, Some(50)), (60, Some(60)), (70, Some(100))]),
            ..Known::default()
        };
        let mut found = table.find(&mut known, "/nowhere");
        found.sort_unstable();
        assert_eq!(found, [70, 71]);

        // Whoever is not in the table has gone, unless he came later.
        known.seen = HashMap::from([(80, 899), (81, 901), (71, 101)]);
        table.find(&mut known, "/nowhere");
        assert!(!known.seen.contains_key(&80));
        assert_eq!((known.seen[&81], known.seen[&71]), (901, 101));

        // One whose start could not be seen is the first that is.
        known.leaders = HashMap::from([(70, None)]);
        known.seen.clear();
        assert_eq!(table.find(&mut known, "/nowhere"), [70]);
        assert_eq!(known.leaders[&70], Some(100));
    }

    #[test]
    fn this_process_is_in_the_table() {
        let table = Table::read().unwrap();
        let me = getpid().as_raw_nonzero().get();
        assert!(table.resident(&[me]) > 100_000);
        // One whose parent is in another PID namespace has none.
        if let Some(parent) = rustix::process::getppid() {
            assert!(table.children_of(parent).contains(&me));
        }
    }
}
