//! The processes of a runtime and of its functions, as they are seen from outside.

use std::collections::BTreeSet;
use std::fs;

/// The processes whose command line has an argument with the mark in it.
pub(crate) fn marked(mark: &str) -> BTreeSet<i32> {
    let argument = format!("--mark={mark}");
    let has_mark = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|b| *b == 0)
            .any(|word| word == argument.as_bytes())
    };
    pids().into_iter().filter(has_mark).collect()
}

/// What a process and its descendants hold: open descriptors, and children that nobody reaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Descriptors.
    pub(crate) descriptors: usize,
    /// Zombies.
    pub(crate) zombies: usize,
}

/// Of this process and all below it.
pub(crate) fn held(root: i32) -> Held {
    let all: Vec<(i32, i32, bool)> = pids()
        .into_iter()
        .filter_map(|pid| {
            let (parent, zombie) = stat(pid)?;
            Some((pid, parent, zombie))
        })
        .collect();
    let mut tree = BTreeSet::from([root]);
    // Parents may come after their children in the list.
    loop {
        let before = tree.len();
        let below = all.iter().filter(|(_, parent, _)| tree.contains(parent));
        let below: Vec<i32> = below.map(|(pid, ..)| *pid).collect();
        tree.extend(below);
        if tree.len() == before {
            break;
        }
    }
    let zombies = all
        .iter()
        .filter(|(pid, _, z)| *z && tree.contains(pid))
        .count();
    let descriptors = fs::read_dir(format!("/proc/{root}/fd")).map_or(0, Iterator::count);
    Held {
        descriptors,
        zombies,
    }
}

fn pids() -> BTreeSet<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(pid).collect()
}

/// The parent of a process, and whether it is a zombie.
fn stat(pid: i32) -> Option<(i32, bool)> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let after = text.iter().rposition(|b| *b == b')')? + 1;
    let text = std::str::from_utf8(&text[after..]).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let zombie = fields.next()? == "Z";
    Some((fields.next()?.parse().ok()?, zombie))
}
