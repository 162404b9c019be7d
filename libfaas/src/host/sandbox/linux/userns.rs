//! A user namespace in which an unprivileged host's instance counts its own processes.
//!
//! Without control groups the kernel bounds processes by user. In a user namespace of its own it
//! counts those in there alone, so the host's other processes don't matter.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::process::{getegid, geteuid};

use super::init;
use super::process::Process;
use super::spawn::{Plan, Signals, spawn};

/// A new namespace with the host's user in it, and no other.
pub(super) fn create() -> io::Result<OwnedFd> {
    let plan = Plan {
        image: Some(init::image()?),
        namespaces: libc::CLONE_NEWUSER,
        signals: Signals::Reaping,
        ..Plan::default()
    };
    let (pid, pidfd) = spawn(&plan)?;
    let keeper = Process::new(pid, pidfd, true);
    let made = map(&format!("/proc/{}", pid.as_raw_nonzero()));
    keeper.kill();
    keeper.wait_until(std::time::Instant::now() + std::time::Duration::from_secs(5));
    made
}

fn map(proc: &str) -> io::Result<OwnedFd> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    fs::write(format!("{proc}/uid_map"), format!("{user} {user} 1"))?;
    fs::write(format!("{proc}/setgroups"), "deny")?;
    fs::write(format!("{proc}/gid_map"), format!("{group} {group} 1"))?;
    Ok(rustix::fs::open(
        format!("{proc}/ns/user"),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}
