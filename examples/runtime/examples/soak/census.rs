//! The processes of the functions, seen from outside.

use std::collections::BTreeMap;

/// The variable by which the functions of this run are known.
pub(crate) const MARK: &str = "SOAK";

/// Knows the functions' processes by a variable that they all have.
#[derive(Clone)]
pub(crate) struct Census {
    mark: String,
}

impl Census {
    /// Those of a host that runs in the process `pid`.
    pub(crate) fn of(pid: u32) -> Self {
        Census {
            mark: format!("{MARK}={pid}"),
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

    /// Children of this process that have ended and that nobody has waited for, with their names.
    pub(crate) fn zombies(&self) -> Vec<String> {
        let own = std::process::id().to_string();
        let zombie = |pid: i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (name, rest) = stat.rsplit_once(") ")?;
            rest.starts_with(&format!("Z {own} "))
                .then(|| format!("{name})"))
        };
        all().into_iter().filter_map(zombie).collect()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }

    /// How many descriptors there are of each kind: network namespaces, folders and so on.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        let open = std::fs::read_dir("/proc/self/fd");
        for entry in open.into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(entry.path()) else {
                continue;
            };
            let kind = match target.to_str().and_then(|text| text.split_once(':')) {
                _ if target.is_dir() => "folder",
                _ if target.is_absolute() => "file",
                Some(("anon_inode", kind)) => kind.trim_matches(['[', ']']),
                Some((kind, _)) => kind,
                None => "other",
            };
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        kinds
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
