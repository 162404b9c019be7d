//! A folder of the host's that is made for one instance and removed with it.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

/// Removed when dropped, or kept for the next instance if nobody has touched it.
#[derive(Debug)]
pub(super) struct TempDir {
    path: PathBuf,
    /// What it was like when it was given out, where every change since then shows.
    given: Option<Untouched>,
    keep: bool,
}

/// What changes with anything that is done to a folder or in it: the time of its last change, which
/// nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Untouched {
    folder: (u64, u64),
    changed: (i64, i64),
}

impl Untouched {
    fn look(path: &Path) -> Option<Untouched> {
        let meta = fs::symlink_metadata(path).ok()?;
        Some(Untouched {
            folder: (meta.dev(), meta.ino()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Whether whatever happens from now on shows: kernels count these times in ticks of up to 10 ms.
    fn is_old(self) -> bool {
        const TICKS: Duration = Duration::from_millis(50);
        let (seconds, nanos) = self.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let changed = changed.map(|(seconds, nanos)| UNIX_EPOCH + Duration::new(seconds, nanos));
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        age.is_some_and(|age| age > TICKS)
    }
}

/// Folders that nobody has touched, by age. To make one and remove it costs as much as a tenth of the
/// start of a small program, to see that it is untouched next to nothing.
static FREE: Mutex<VecDeque<(PathBuf, Untouched)>> = Mutex::new(VecDeque::new());

/// How many are kept.
const KEPT: usize = 64;

impl TempDir {
    /// An empty folder below the host's own `TMPDIR`, for its owner alone. The first one removes
    /// what hosts have left that were killed.
    pub(super) fn new() -> io::Result<TempDir> {
        static FIRST: Once = Once::new();
        let base = std::env::temp_dir();
        FIRST.call_once(|| {
            remove_stale(&base, prefix());
            // SAFETY: registers a function that lives as long as the program and does not unwind.
            unsafe { libc::atexit(remove_free) };
        });
        if let Some(free) = TempDir::take(&base) {
            return Ok(free);
        }
        // One for now, and one that is old enough when it is asked for.
        if lock_free().len() < KEPT {
            let spare = make(&base)?;
            match Untouched::look(&spare) {
                Some(made) => lock_free().push_back((spare, made)),
                None => drop(TempDir::at(spare)),
            }
        }
        make(&base).map(TempDir::at)
    }

    fn at(path: PathBuf) -> TempDir {
        TempDir {
            path,
            given: None,
            keep: false,
        }
    }

    /// One that is kept, if it is as it was made.
    fn take(base: &Path) -> Option<TempDir> {
        let mut free = lock_free();
        let old =
            |(path, made): &(PathBuf, Untouched)| made.is_old() && path.parent() == Some(base);
        while free.front().is_some_and(old) {
            let (path, made) = free.pop_front()?;
            let mut dir = TempDir::at(path);
            if Untouched::look(&dir.path) == Some(made) {
                dir.given = Some(made);
                return Some(dir);
            }
        }
        None
    }

    /// Keeps it for another instance, if this one has not touched it.
    fn give_back(&mut self) -> bool {
        let Some(given) = self.given else {
            return false;
        };
        let untouched = Untouched::look(&self.path) == Some(given);
        let mut free = lock_free();
        let kept = untouched && free.len() < KEPT;
        if kept {
            free.push_back((std::mem::take(&mut self.path), given));
        }
        kept
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
        if self.keep || self.give_back() {
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

fn lock_free() -> MutexGuard<'static, VecDeque<(PathBuf, Untouched)>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those that are kept, at the host's own end.
extern "C" fn remove_free() {
    for (path, _) in lock_free().drain(..) {
        let _ = fs::remove_dir(path);
    }
}

/// Makes an empty folder of a name that is not taken.
fn make(base: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{}{}-{n}", prefix(), std::process::id()));
        // mkdir fails where there is something already, a symbolic link too, so nobody can
        // have prepared what we get.
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the names of hosts' folders begin with that number processes as we do: on this machine, since
/// it was started, in this PID namespace. Others may share the folder, and with them a number says
/// nothing.
fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (boot, namespace).hash(&mut hasher);
        format!("faas-{:016x}-", hasher.finish())
    })
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

    #[test]
    fn only_what_nobody_touched_is_given_out_again() {
        let aged = || {
            // The ones that were made first are given out once they are old.
            let begin = std::time::Instant::now();
            loop {
                let dir = TempDir::new().unwrap();
                if dir.given.is_some() {
                    return dir;
                }
                assert!(begin.elapsed() < Duration::from_secs(10), "none gets old");
            }
        };
        let known = |path: &Path| lock_free().iter().any(|(kept, _)| kept == path);
        type Touch = fn(&Path);
        let touches: [Touch; 3] = [
            |path| fs::write(path.join("left"), "x").unwrap(),
            |path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap(),
            |path| {
                fs::write(path.join("left"), "x").unwrap();
                fs::remove_file(path.join("left")).unwrap();
            },
        ];
        for touch in touches {
            let dir = aged();
            let path = dir.path().to_owned();
            touch(&path);
            drop(dir);
            assert!(!path.exists() && !known(&path));
        }
        let dir = aged();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
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
