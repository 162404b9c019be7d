//! A folder of the host's that is made for one instance and removed with it.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

#[cfg(target_os = "linux")]
mod spare;

#[cfg(target_os = "linux")]
pub(super) use spare::Owner;

/// Removed when dropped.
#[derive(Debug)]
pub(super) struct TempDir {
    path: PathBuf,
    keep: bool,
    /// What it was like before anybody was given it.
    #[cfg(target_os = "linux")]
    made: Option<spare::Look>,
}

impl TempDir {
    /// An empty folder below the host's own `TMPDIR`, for its owner alone. The first one removes
    /// what hosts have left that were killed.
    pub(super) fn new() -> io::Result<TempDir> {
        let base = std::env::temp_dir();
        loop {
            let path = next_path(&base);
            // mkdir fails where there is something already, a symbolic link too, so nobody can
            // have prepared what we get.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(TempDir::at(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn at(path: PathBuf) -> TempDir {
        TempDir {
            path,
            keep: false,
            #[cfg(target_os = "linux")]
            made: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is.
    #[cfg(target_os = "linux")]
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Most have left nothing in it.
        let removed = fs::remove_dir(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
        if removed.is_err() {
            // A function may have taken its own rights away.
            open_up(&self.path);
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A name that this host has not used.
fn next_path(base: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PREFIX: OnceLock<String> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| {
        let prefix = prefix();
        remove_stale(base, &prefix);
        prefix
    });
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    base.join(format!("{prefix}{}-{n}", std::process::id()))
}

/// What the names of hosts' folders begin with that number processes as we do: on this machine, since
/// it was started, in this PID namespace. Others may share the folder, and with them a number says
/// nothing.
fn prefix() -> String {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (boot, namespace).hash(&mut hasher);
    format!("faas-{:016x}-", hasher.finish())
}

/// Removes the folders of hosts that don't run any more.
fn remove_stale(base: &Path, prefix: &str) {
    if !Path::new("/proc/self/ns/pid").exists() {
        // Who shares our numbers can't be told.
        return;
    }
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let host = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.split_once('-'));
        let host = host.and_then(|(pid, _)| Pid::from_raw(pid.parse().ok()?));
        let Some(host) = host else { continue };
        let gone = test_kill_process(host) == Err(Errno::SRCH);
        let ours = entry
            .metadata()
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
        if gone && ours {
            drop(TempDir::at(entry.path()));
        }
    }
}

/// Gives the owner all rights on the folders of a tree. What can't be changed stays.
fn open_up(dir: &Path) {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let _ = fs::set_permissions(&dir, Permissions::from_mode(0o700));
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                dirs.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_removed_whatever_its_rights() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().to_owned();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/c"), "x").unwrap();
        fs::set_permissions(path.join("a/b"), Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o000)).unwrap();
        drop(dir);
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_hosts_have_left_is_removed() {
        let base = TempDir::new().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let make = |name: String| {
            fs::create_dir(base.path().join(&name)).unwrap();
            base.path().join(name)
        };
        let (dead, live) = (child.id(), std::process::id());
        let left = make(format!("faas-a-{dead}-0"));
        let kept = [
            make(format!("faas-a-{live}-0")),
            make(format!("faas-b-{dead}-0")),
            make("other".into()),
        ];
        remove_stale(base.path(), "faas-a-");
        assert!(!left.exists() && kept.iter().all(|path| path.exists()));
    }
}
