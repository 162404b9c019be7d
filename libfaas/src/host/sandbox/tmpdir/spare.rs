//! Folders that nobody has used, for the next instance of the same revision.
//!
//! On a file system with a journal, to make a folder and to remove it costs as much as a sixth of
//! the start of a small program; to give it another name, a tenth of that. Most instances never
//! look at theirs. So one that nothing can be seen of is kept under a name that no instance has had:
//! the old name is gone with its instance, as if the folder had been removed, and all that the next
//! one could learn from it is when it was made, which was for an instance of the same revision.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::fs::{
    AtFlags, CWD, Mode, RenameFlags, StatxFlags, StatxTimestamp, chmod, renameat_with, statx,
};

use super::{TempDir, next_path};
use crate::host::Revision;

/// Whose instances may have it one after the other: those of one revision of one tenant's function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Owner {
    tenant: String,
    function: String,
    revision: String,
}

impl Owner {
    pub(in super::super) fn of(revision: &Revision) -> Owner {
        Owner {
            tenant: revision.tenant.clone(),
            function: revision.manifest.name.clone(),
            revision: revision.id.clone(),
        }
    }
}

/// What a file system says of a folder, but for its name. Whoever puts something in it, takes
/// something out, changes it or lists it changes this: nobody can set when it was last changed, and
/// nobody but the kernel when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    file_system: (u32, u32),
    inode: u64,
    mode: u16,
    owner: (u32, u32),
    links: u32,
    attributes: u64,
    read: (i64, u32),
    written: (i64, u32),
    changed: (i64, u32),
    made: (i64, u32),
}

impl Look {
    fn at(path: &Path) -> io::Result<Look> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let seen = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
        let time = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec);
        Ok(Look {
            file_system: (seen.stx_dev_major, seen.stx_dev_minor),
            inode: seen.stx_ino,
            mode: seen.stx_mode,
            owner: (seen.stx_uid, seen.stx_gid),
            links: seen.stx_nlink,
            // That something is mounted on it is one.
            attributes: seen.stx_attributes.bits(),
            read: time(seen.stx_atime),
            written: time(seen.stx_mtime),
            changed: time(seen.stx_ctime),
            made: time(seen.stx_btime),
        })
    }
}

/// Whether each change after a look shows in the next one. Linux has it so from 6.13 on, for most file
/// systems; elsewhere times go in ticks of up to 10 ms, and none of so many changes in a row would
/// show.
fn shows_changes(path: &Path) -> io::Result<bool> {
    const CHANGES: usize = 8;
    let mut before = Look::at(path)?;
    for _ in 0..CHANGES {
        chmod(path, Mode::RWXU)?;
        let after = Look::at(path)?;
        if after.changed == before.changed {
            return Ok(false);
        }
        before = after;
    }
    Ok(true)
}

#[derive(Debug)]
struct Spare {
    owner: Owner,
    dir: TempDir,
}

/// By age.
static SPARES: Mutex<VecDeque<Spare>> = Mutex::new(VecDeque::new());

/// How many are kept, of all revisions together. As many are left behind by a host that is killed,
/// and the next one removes them.
const KEPT: usize = 64;

impl TempDir {
    /// Likewise, perhaps one that an instance of this owner's has had and not touched.
    pub(in super::super) fn of(owner: &Owner) -> io::Result<TempDir> {
        /// A file system has been seen to hide changes: none is asked again.
        static BLIND: AtomicBool = AtomicBool::new(false);
        let base = std::env::temp_dir();
        let fits = |spare: &Spare| spare.owner == *owner && spare.dir.path.parent() == Some(&base);
        let next = || {
            let mut spares = lock();
            let at = spares.iter().position(fits)?;
            Some(spares.remove(at)?.dir)
        };
        while let Some(dir) = next() {
            // Who cleans up the host's own folder may have removed it.
            if Look::at(&dir.path).ok() == dir.made {
                return Ok(dir);
            }
        }
        let mut dir = TempDir::new()?;
        if !BLIND.load(Ordering::Relaxed) {
            match shows_changes(&dir.path) {
                Ok(true) => dir.made = Look::at(&dir.path).ok(),
                _ => BLIND.store(true, Ordering::Relaxed),
            }
        }
        Ok(dir)
    }

    /// Keeps it for this owner's next instance if nothing can be seen of the one that had it;
    /// removes it otherwise. Nobody who could still change it may be left.
    pub(in super::super) fn give_back(mut self, owner: &Owner) {
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            // SAFETY: registers a function that lives as long as the program and does not unwind.
            unsafe { libc::atexit(remove_all) };
        });
        if !self.renew() {
            return;
        }
        let spare = Spare {
            owner: owner.clone(),
            dir: self,
        };
        let surplus = put(&mut lock(), spare);
        drop(surplus);
    }

    /// Gives it a name that nobody has had, if it is as it was made.
    fn renew(&mut self) -> bool {
        if self.made.is_none() || Look::at(&self.path).ok() != self.made {
            return false;
        }
        let path = next_path(self.path.parent().unwrap_or(&self.path));
        if renameat_with(CWD, &self.path, CWD, &path, RenameFlags::NOREPLACE).is_err() {
            return false;
        }
        self.path = path;
        self.made = Look::at(&self.path).ok();
        self.made.is_some()
    }
}

/// Gives back the oldest if there are too many.
fn put(spares: &mut VecDeque<Spare>, spare: Spare) -> Option<Spare> {
    spares.push_back(spare);
    (spares.len() > KEPT).then(|| spares.pop_front()).flatten()
}

fn lock() -> MutexGuard<'static, VecDeque<Spare>> {
    SPARES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// At the host's own end; not at that of a copy of it, which has this list too.
extern "C" fn remove_all() {
    let own = format!("-{}-", std::process::id());
    for spare in lock().drain(..) {
        let name = spare.dir.path.file_name().and_then(OsStr::to_str);
        match name.is_some_and(|name| name.contains(&own)) {
            true => drop(spare),
            false => std::mem::forget(spare),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::time::SystemTime;

    use super::*;

    fn owner(revision: &str) -> Owner {
        Owner {
            tenant: "t".to_owned(),
            function: "f".to_owned(),
            revision: revision.to_owned(),
        }
    }

    fn inode(dir: &TempDir) -> u64 {
        fs::metadata(dir.path()).unwrap().ino()
    }

    /// One that can be kept; None where no change shows.
    fn made(owner: &Owner) -> Option<TempDir> {
        let dir = TempDir::of(owner).unwrap();
        if dir.made.is_none() {
            eprintln!("skipped: this file system does not show each change");
            return None;
        }
        Some(dir)
    }

    #[test]
    fn what_nobody_touched_is_given_out_again_by_another_name() {
        let own = owner("untouched");
        let Some(first) = made(&own) else { return };
        let (path, number) = (first.path().to_owned(), inode(&first));
        first.give_back(&own);
        assert!(!path.exists());
        let second = TempDir::of(&own).unwrap();
        assert_eq!(inode(&second), number);
        assert_ne!(second.path(), path);
        assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0);
        assert_eq!(fs::metadata(second.path()).unwrap().mode() & 0o777, 0o700);
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn another_revision_never_gets_it() {
        let own = owner("one");
        let Some(first) = made(&own) else { return };
        let number = inode(&first);
        first.give_back(&own);
        let others = ["t", "u"].map(|tenant| Owner {
            tenant: tenant.to_owned(),
            ..owner("other")
        });
        for other in others {
            assert_ne!(inode(&TempDir::of(&other).unwrap()), number);
        }
        assert_eq!(inode(&TempDir::of(&own).unwrap()), number);
    }

    #[test]
    fn what_somebody_touched_is_removed() {
        type Touch = fn(&Path);
        let touches: [Touch; 8] = [
            |path| fs::write(path.join("left"), "x").unwrap(),
            |path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap(),
            |path| {
                fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
            },
            |path| {
                fs::write(path.join("left"), "x").unwrap();
                fs::remove_file(path.join("left")).unwrap();
            },
            |path| {
                let folder = fs::File::open(path).unwrap();
                folder.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            },
            |path| {
                fs::remove_dir(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            |path| {
                fs::remove_dir(path).unwrap();
                std::os::unix::fs::symlink("/", path).unwrap();
            },
            |path| fs::remove_dir(path).unwrap(),
        ];
        for (n, touch) in touches.into_iter().enumerate() {
            let own = owner(&format!("touched {n}"));
            let first = TempDir::of(&own).unwrap();
            let path = first.path().to_owned();
            touch(&path);
            first.give_back(&own);
            assert!(!lock().iter().any(|spare| spare.owner == own), "{n}");
            assert!(!path.exists(), "{n}");
            let second = TempDir::of(&own).unwrap();
            assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn what_somebody_touched_while_it_was_kept_is_given_to_nobody() {
        // As programs do that clean up `/tmp`, and whoever shares the host's user.
        let touches: [fn(&Path); 2] = [
            |path| fs::remove_dir(path).unwrap(),
            |path| fs::write(path.join("left"), "x").unwrap(),
        ];
        for (n, touch) in touches.into_iter().enumerate() {
            let own = owner(&format!("kept {n}"));
            let Some(first) = made(&own) else { return };
            first.give_back(&own);
            let kept = lock()
                .iter()
                .find(|spare| spare.owner == own)
                .map(|spare| spare.dir.path().to_owned());
            let kept = kept.expect("it is kept");
            touch(&kept);
            let second = TempDir::of(&own).unwrap();
            assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0, "{n}");
            assert!(!kept.exists(), "{n}");
        }
    }

    #[test]
    fn no_more_are_kept_than_are_allowed() {
        let mut spares = VecDeque::new();
        for n in 0..KEPT + 3 {
            let owner = owner(&format!("many {n}"));
            let dir = TempDir::of(&owner).unwrap();
            let surplus = put(&mut spares, Spare { owner, dir });
            let gone = surplus.map(|spare| spare.owner.revision);
            assert_eq!(gone, n.checked_sub(KEPT).map(|n| format!("many {n}")));
        }
    }
}
