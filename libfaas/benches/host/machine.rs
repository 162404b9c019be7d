//! The machine: its cores, and what a reader has to know of it.

use std::fs;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) memory_bytes: Option<u64>,
    /// Processes that wanted to run in the last minute, on average, when the run began.
    pub(crate) load: Option<f64>,
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpuinfo, meminfo) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: after(&cpuinfo, "model name").unwrap_or_else(|| text(uname.machine())),
            kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
            memory_bytes: after(&meminfo, "MemTotal")
                .and_then(|size| size.trim_end_matches(" kB").parse::<u64>().ok())
                .map(|size| size << 10),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok()),
        }
    }
}

/// Keeps this process, and those that it starts, on so many cores; false where there are fewer.
/// Called before any thread is started. The last cores are taken: the first one has the most
/// interrupts.
#[cfg(target_os = "linux")]
pub(crate) fn keep_to(cores: usize) -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return false;
    };
    let mut kept = CpuSet::new();
    let usable = (0..CpuSet::MAX_CPU)
        .rev()
        .filter(|&core| allowed.is_set(core));
    usable.take(cores).for_each(|core| kept.set(core));
    kept.count() as usize == cores && sched_setaffinity(None, &kept).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_to(cores: usize) -> bool {
    cores == 2
}
