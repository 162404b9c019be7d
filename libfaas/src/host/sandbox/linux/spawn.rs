//! Starts a process without copying the host.
//!
//! `fork` copies the page tables of the whole host, which takes longer the bigger the host is.
//! Here the child borrows the host's memory, as `vfork` has it, while the thread that started it
//! waits: what it needs is made ready before, and it does nothing but system calls until it
//! executes the program. What went wrong on the way it leaves in the borrowed memory.

mod child;
mod clone;
mod plan;
mod signals;

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;

use clone::{clone, clone_into};
pub(super) use plan::{Capabilities, Doors, Failed, Plan, Signals, Step, Strings, c_string};
use signals::{block_signals, restore_signals};

/// What parent and child share while the parent waits.
struct Shared<'a> {
    plan: &'a Plan,
    /// Not born in its group of version 2, so that it has to join.
    joins_unified: bool,
    failed: Option<Failed>,
}

/// Bytes of stack for the child. It calls a few system calls deep; debug builds are generous.
const STACK: usize = 32 << 10;

/// What nobody reads before the child has written it needs no zeroes.
type Stack = [MaybeUninit<u128>];

/// Starts it. The answer is a process that runs the program, or nothing is left of it.
pub(super) fn spawn(plan: &Plan) -> Result<(Pid, OwnedFd), Failed> {
    let mut stack = Box::<[u128]>::new_uninit_slice(STACK / 16);
    let mut shared = Shared {
        plan,
        joins_unified: false,
        failed: None,
    };
    // A child that changes its user takes from the memory that it shares the permission to be
    // dumped, and with it the host's right to its own files in /proc.
    let changes = plan.identity.is_some() || plan.user_namespace.is_some();
    let changes = changes || plan.namespaces != 0 || plan.capabilities != Capabilities::Keep;
    let dumpable = changes.then(Dumpable::keep);
    // A handler of the host's must not run in the child, on memory that is not its own.
    let before = block_signals();
    let born = match &plan.groups.unified {
        Some((group, _)) => clone_into(&mut shared, &mut stack, group),
        None => Err(libc::ENOSYS),
    };
    let cloned = match born {
        Err(libc::ENOSYS) => {
            shared.joins_unified = true;
            clone(&mut shared, &mut stack)
        }
        born => born,
    };
    drop(dumpable);
    restore_signals(&before);
    drop(stack);
    let (pid, pidfd) = cloned.map_err(|errno| Failed {
        step: Step::Clone,
        errno,
    })?;
    // SAFETY: CLONE_PIDFD has put a new descriptor there, which nobody else knows.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: reads our own local variable; volatile, since the child wrote it behind the
    // compiler's back.
    match unsafe { ptr::read_volatile(&raw const shared.failed) } {
        None => Ok((pid, pidfd)),
        Some(failed) => {
            reap(pid);
            Err(failed)
        }
    }
}

fn dumpable() -> c_int {
    // SAFETY: takes and changes no memory.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }
}

/// Children that may change whether the host can be dumped: how many there are, and what it was
/// before the first of them.
static CHANGING: Mutex<(usize, c_int)> = Mutex::new((0, 0));

/// Leaves it as it was before, whoever else is starting processes.
struct Dumpable;

impl Dumpable {
    fn keep() -> Dumpable {
        let mut changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        if changing.0 == 0 {
            changing.1 = dumpable();
        }
        changing.0 += 1;
        Dumpable
    }
}

impl Drop for Dumpable {
    fn drop(&mut self) {
        let mut changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        changing.0 -= 1;
        if changing.1 == 1 && dumpable() != 1 {
            // SAFETY: takes and changes no memory.
            unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
        }
    }
}

/// Reaps a child that has exited.
fn reap(pid: Pid) {
    while let Err(rustix::io::Errno::INTR) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
    {}
}

/// A descriptor above 2, so that placing one of the three can't overwrite another.
pub(super) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    const FIRST: RawFd = 3;
    match fd.as_raw_fd() >= FIRST {
        true => Ok(fd),
        false => Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST)?),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::Arc;

    use super::super::older::{self, allow, fail, load, unless};
    use super::*;

    fn plan(program: &CStr, argv: &[&CStr]) -> Plan {
        let argv = argv.iter().map(|arg| [arg.to_str().unwrap()]);
        Plan {
            programs: vec![program.to_owned()],
            argv: Strings::new(argv).unwrap(),
            ..Plan::default()
        }
    }

    fn status(pid: Pid) -> i32 {
        let (_, status) =
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
                .unwrap()
                .unwrap();
        status.as_raw()
    }

    #[test]
    fn the_program_runs() {
        let (pid, _pidfd) = spawn(&plan(c"/bin/sh", &[c"sh", c"-c", c"exit 7"])).unwrap();
        assert_eq!(status(pid), 7 << 8);
    }

    #[test]
    fn what_fails_is_told_and_leaves_no_zombie() {
        let failed = spawn(&plan(c"/nowhere", &[c"nowhere"])).unwrap_err();
        assert_eq!((failed.step, failed.errno), (Step::Execute, libc::ENOENT));
        let failed = spawn(&Plan {
            cwd: Some(c"/nowhere".to_owned()),
            ..plan(c"/bin/sh", &[c"sh"])
        });
        assert_eq!(failed.unwrap_err().step, Step::Folder);
    }

    #[test]
    fn a_group_that_is_none_is_told() {
        let null = || Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let mut doors = Doors::default();
        doors.unified = Some((null(), null()));
        let failed = spawn(&Plan {
            groups: doors,
            ..plan(c"/bin/true", &[c"true"])
        });
        // Neither born in it nor able to join it.
        let step = failed.unwrap_err().step;
        assert!(step == Step::Clone || step == Step::Group, "{step:?}");
    }

    #[test]
    fn the_host_keeps_its_signal_mask() {
        let before = {
            let b = block_signals();
            restore_signals(&b);
            b
        };
        let (pid, _pidfd) = spawn(&plan(c"/bin/true", &[c"true"])).unwrap();
        status(pid);
        let after = {
            let b = block_signals();
            restore_signals(&b);
            b
        };
        assert_eq!(before, after);
    }

    #[test]
    fn the_host_may_be_dumped_after_many_children_at_once_changed_their_user() {
        if !rustix::process::geteuid().is_root() || dumpable() != 1 {
            return;
        }
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let changed = Plan {
                            identity: Some((65534, 65534)),
                            ..plan(c"/bin/true", &[c"true"])
                        };
                        let (pid, _pidfd) = spawn(&changed).unwrap();
                        status(pid);
                    }
                });
            }
        });
        // Other tests start processes, too.
        let start = std::time::Instant::now();
        while dumpable() != 1 {
            assert!(start.elapsed() < std::time::Duration::from_secs(60));
            std::thread::yield_now();
        }
    }

    /// Linux can set descriptors to be closed on exec, all at once, since 5.11.
    #[test]
    fn an_older_kernel_closes_descriptors_too() {
        // The third argument has the flags.
        let older_than_5_11 = vec![
            load(0),
            unless(libc::SYS_close_range as u32, 3),
            load(16 + 2 * 8),
            unless(libc::CLOSE_RANGE_CLOEXEC, 1),
            fail(libc::EINVAL),
            allow(),
        ];
        let seen = older::under(older_than_5_11, || {
            let extra = std::fs::File::open("/dev/null").unwrap();
            // SAFETY: a descriptor of ours, which the child is not to have.
            unsafe { libc::fcntl(extra.as_raw_fd(), libc::F_SETFD, 0) };
            let look = format!("test ! -e /proc/$$/fd/{}", extra.as_raw_fd());
            let plan = Plan {
                argv: Strings::new([["sh"], ["-c"], [&look]].into_iter()).unwrap(),
                stdio: Some([(); 3].map(|()| extra.try_clone().unwrap().into())),
                ..plan(c"/bin/sh", &[])
            };
            let (pid, _pidfd) = spawn(&plan).unwrap();
            status(pid)
        });
        assert_eq!(seen, 0);
    }

    #[test]
    fn the_host_keeps_its_user_when_the_child_changes_its_own() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let changed = Plan {
            identity: Some((65534, 65534)),
            ..plan(c"/bin/sh", &[c"sh", c"-c", c"test $(id -u) = 65534"])
        };
        let (pid, _pidfd) = spawn(&changed).unwrap();
        assert_eq!(status(pid), 0);
        let threads = std::thread::spawn(|| rustix::process::geteuid().is_root());
        assert!(threads.join().unwrap() && rustix::process::geteuid().is_root());
    }
}
