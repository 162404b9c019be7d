//! User namespaces: as a map of users, and to count processes in.
//!
//! Without control groups the kernel bounds processes by user. In a user namespace of its own it
//! counts those in there alone, so the host's other processes don't matter.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{getegid, geteuid};

use super::init;
use super::process::Process;
use super::spawn::{Plan, Signals, spawn};

/// A new namespace with the host's user in it, and no other.
pub(super) fn create() -> io::Result<OwnedFd> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    mapping((user, user), (group, group))
}

/// A new namespace in which the first user, and the first group, is the second outside.
pub(super) fn mapping(user: (u32, u32), group: (u32, u32)) -> io::Result<OwnedFd> {
    let plan = Plan {
        image: Some(init::image()?),
        namespaces: libc::CLONE_NEWUSER,
        signals: Signals::Reaping,
        ..Plan::default()
    };
    let (pid, pidfd) = spawn(&plan)?;
    let keeper = Process::new(pid, pidfd, true);
    let made = map(&format!("/proc/{}", pid.as_raw_nonzero()), user, group);
    keeper.kill();
    keeper.wait_until(Instant::now() + Duration::from_secs(5));
    made
}

fn map(proc: &str, user: (u32, u32), group: (u32, u32)) -> io::Result<OwnedFd> {
    fs::write(
        format!("{proc}/uid_map"),
        format!("{} {} 1", user.0, user.1),
    )?;
    // Without privilege a group may only be mapped once groups can't be changed any more.
    fs::write(format!("{proc}/setgroups"), "deny")?;
    fs::write(
        format!("{proc}/gid_map"),
        format!("{} {} 1", group.0, group.1),
    )?;
    Ok(rustix::fs::open(
        format!("{proc}/ns/user"),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}
