//! The processes of the functions, seen from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::tally::Tally;

/// The variable by which the functions of this run are known.
pub(crate) const MARK: &str = "SOAK";

/// Knows the functions' processes by a variable that they all have.
#[derive(Clone)]
pub(crate) struct Census {
    mark: String,
}

impl Census {
    pub(crate) fn new() -> Self {
        Census {
            mark: format!("{MARK}={}", std::process::id()),
        }
    }

    /// The functions' processes that run.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let read = |pid: i32, file: &str| std::fs::read(format!("/proc/{pid}/{file}"));
        let is_ours = |&pid: &i32| {
            let environment = read(pid, "environ").unwrap_or_default();
            environment
                .split(|&b| b == 0)
                .any(|one| one == self.mark.as_bytes())
        };
        all().into_iter().filter(is_ours).collect()
    }

    /// Children of this process that have ended and that nobody has waited for.
    pub(crate) fn zombies(&self) -> Vec<i32> {
        let own = std::process::id().to_string();
        let is_zombie = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let rest = stat.rsplit(") ").next().unwrap_or_default();
            let mut fields = rest.split(' ');
            fields.next() == Some("Z") && fields.next() == Some(&own)
        };
        all().into_iter().filter(is_zombie).collect()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }

    /// Bytes of memory of this process.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kib.unwrap_or_default() << 10
    }
}

fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Kills a process now and then, with what can't be caught.
pub(crate) async fn kill_until(
    until: Instant,
    census: Census,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(20..400))).await;
        let processes = census.processes();
        if let Some(&pid) = random.choice(&processes)
            && let Some(pid) = Pid::from_raw(pid)
            && kill_process(pid, Signal::KILL).is_ok()
        {
            tally.count("kill -9", "done");
        }
    }
}
