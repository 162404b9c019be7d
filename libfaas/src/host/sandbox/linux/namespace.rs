//! Namespaces, entered by a thread and left again.
//!
//! What needs many steps and memory (mounting, making folders) is done by a thread of ours that has
//! entered the namespaces, in ordinary code; what it starts then is born in them. So nothing of it
//! has to happen between `clone` and `execve`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::launcher;

/// All kinds of namespace that an instance has for itself.
pub(super) const PRIVATE: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWPID;

/// Where the host itself is.
struct Home {
    process: OwnedFd,
    root: OwnedFd,
}

/// Runs it on a thread that may enter namespaces and make new ones, and takes the thread back home.
pub(super) fn away<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    launcher::run_away(move || {
        // The thread must not share its root and working folder with the host's other threads.
        let done = unshare(libc::CLONE_FS).and_then(|()| job());
        let back = come_home();
        (done, back.is_ok())
    })?
}

fn home() -> io::Result<&'static Home> {
    static HOME: OnceLock<Home> = OnceLock::new();
    if let Some(home) = HOME.get() {
        return Ok(home);
    }
    let found = Home {
        process: pidfd_open(getpid(), PidfdFlags::empty())?,
        root: rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?,
    };
    Ok(HOME.get_or_init(|| found))
}

/// To be called before the first job, from anywhere.
pub(super) fn remember_home() -> io::Result<()> {
    home().map(drop)
}

fn come_home() -> io::Result<()> {
    let home = home()?;
    enter(home.process.as_fd(), PRIVATE | libc::CLONE_NEWNET)?;
    // A host in a chroot: the namespace's own root is not the host's.
    rustix::process::fchdir(&home.root)?;
    rustix::process::chroot(".")?;
    Ok(())
}

/// Makes new namespaces of these kinds for the calling thread.
pub(super) fn unshare(kinds: i32) -> io::Result<()> {
    // SAFETY: takes a number. It concerns the calling thread, which is one of ours: `away` gives
    // no other the chance.
    match unsafe { libc::unshare(kinds) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the calling thread enter namespaces of these kinds: those of a process, if the descriptor is
/// one of a process, else the one that it stands for.
pub(super) fn enter(fd: BorrowedFd<'_>, kinds: i32) -> io::Result<()> {
    // SAFETY: takes numbers, of which the first is an open descriptor.
    match unsafe { libc::setns(fd.as_raw_fd(), kinds) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A descriptor that stands for a namespace of the calling thread, `net` or `mnt`.
pub(super) fn own(kind: &str) -> io::Result<OwnedFd> {
    let path = format!("/proc/thread-self/ns/{kind}");
    Ok(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_comes_home() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        remember_home().unwrap();
        let link = |kind: &str| std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap();
        let before: Vec<_> = ["mnt", "net", "ipc", "uts"].map(link).into();
        let inside = away(move || {
            unshare(PRIVATE | libc::CLONE_NEWNET)?;
            Ok(["mnt", "net", "ipc", "uts"].map(link).to_vec())
        });
        assert!(inside.unwrap().iter().zip(&before).all(|(a, b)| a != b));
        for _ in 0..8 {
            let after = away(move || Ok(["mnt", "net", "ipc", "uts"].map(link).to_vec()));
            assert_eq!(after.unwrap(), before);
        }
    }
}
