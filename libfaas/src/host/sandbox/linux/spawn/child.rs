//! The child's life up to `execve`.
//!
//! It runs on the host's memory, in the copy of a process whose other threads don't exist here. So
//! it allocates nothing, takes no lock, can't panic, and calls the kernel directly: libc's
//! `setresuid`, for example, would have the host's threads change their user too.

use std::ffi::{c_int, c_long, c_void};
use std::os::fd::AsRawFd;
use std::ptr;

use super::Shared;
use super::plan::{Capabilities, Failed, Plan, Step};
use super::signals::signals;

/// Where it begins.
pub(super) extern "C" fn child(shared: *mut c_void) -> c_int {
    let shared = shared.cast::<Shared<'_>>();
    // SAFETY: `spawn` passes a pointer to its local variable and waits.
    let (plan, joins_unified) = unsafe { ((*shared).plan, (*shared).joins_unified) };
    let step = prepare(plan, joins_unified)
        .err()
        .unwrap_or_else(|| execute(plan));
    // SAFETY: as above; `Failed` needs no drop, so overwriting None frees nothing.
    unsafe {
        ptr::write_volatile(
            &raw mut (*shared).failed,
            Some(Failed {
                step,
                errno: errno(),
            }),
        );
        libc::syscall(libc::SYS_exit_group, 127);
    }
    127
}

fn prepare(plan: &Plan, joins_unified: bool) -> Result<(), Step> {
    let unified = plan
        .groups
        .unified
        .iter()
        .map(|(_, procs)| &**procs)
        .filter(|_| joins_unified);
    for group in plan.groups.tasks.iter().chain(unified) {
        sys(
            libc::SYS_write,
            &[group.as_raw_fd() as c_long, c"0".as_ptr() as c_long, 1],
            Step::Group,
        )?;
    }
    if let Some(namespace) = &plan.user_namespace {
        let args = [
            namespace.as_raw_fd() as c_long,
            libc::CLONE_NEWUSER as c_long,
        ];
        sys(libc::SYS_setns, &args, Step::UserNamespace)?;
    }
    if plan.session {
        sys(libc::SYS_setsid, &[], Step::Session)?;
    } else {
        sys(libc::SYS_setpgid, &[0, 0], Step::Session)?;
    }
    for (fd, from) in plan.stdio.iter().flatten().enumerate() {
        sys(
            libc::SYS_dup3,
            &[from.as_raw_fd() as c_long, fd as c_long, 0],
            Step::Stdio,
        )?;
    }
    signals(plan.signals)?;
    if let Some(umask) = plan.umask {
        sys(libc::SYS_umask, &[umask as c_long], Step::Limits)?;
    }
    for (resource, value) in &plan.limits {
        let limit = [*value, *value];
        sys(
            libc::SYS_prlimit64,
            &[0, *resource as c_long, limit.as_ptr() as c_long, 0],
            Step::Limits,
        )?;
    }
    if plan.mounts_proc {
        mount_proc()?;
    }
    if plan.no_new_privileges {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, Step::NoNewPrivileges)?;
    } else {
        // Without it only the superuser may install it.
        filter(plan)?;
    }
    identity(plan)?;
    if plan.dies_with_thread {
        // After the change of user, which would undo it.
        prctl(
            libc::PR_SET_PDEATHSIG,
            libc::SIGKILL as c_long,
            0,
            Step::Session,
        )?;
    }
    if let Some(cwd) = &plan.cwd {
        sys(libc::SYS_chdir, &[cwd.as_ptr() as c_long], Step::Folder)?;
    }
    descriptors(plan)?;
    if plan.no_new_privileges {
        filter(plan)?;
    }
    Ok(())
}

fn filter(plan: &Plan) -> Result<(), Step> {
    plan.filter.iter().try_for_each(|filter| install(filter))
}

/// Read-only, and without what it says about the machine and not about processes.
fn mount_proc() -> Result<(), Step> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    let name = c"proc".as_ptr() as c_long;
    let args = [
        name,
        c"/proc".as_ptr() as c_long,
        name,
        flags as c_long,
        c"subset=pid".as_ptr() as c_long,
    ];
    sys(libc::SYS_mount, &args, Step::Proc)
}

/// The kernel's `cap_user_header_t` and `cap_user_data_t`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: c_int,
}
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const CAP_NET_RAW: u32 = 13;
const CAP_SYS_ADMIN: u32 = 21;

fn identity(plan: &Plan) -> Result<(), Step> {
    if plan.capabilities == Capabilities::Drop {
        // What is not in the bounding set can't be gained by executing a file. It is empty from
        // some number on, which depends on the kernel.
        let mut capability = 0;
        while prctl(libc::PR_CAPBSET_DROP, capability, 0, Step::Capabilities).is_ok() {
            capability += 1;
        }
    }
    if plan.capabilities == Capabilities::LeaveSome {
        prctl(libc::PR_SET_KEEPCAPS, 1, 0, Step::Capabilities)?;
    }
    if let Some((user, group)) = plan.identity {
        let (user, group) = (user as c_long, group as c_long);
        sys(libc::SYS_setgroups, &[0, 0], Step::Identity)?;
        sys(libc::SYS_setresgid, &[group, group, group], Step::Identity)?;
        sys(libc::SYS_setresuid, &[user, user, user], Step::Identity)?;
    }
    let left = [CAP_NET_RAW, CAP_SYS_ADMIN];
    match plan.capabilities {
        Capabilities::Keep => {}
        Capabilities::Drop => {
            prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_CLEAR_ALL as c_long,
                0,
                Step::Capabilities,
            )?;
            set_capabilities([0; 6])?;
        }
        Capabilities::LeaveSome => {
            let some = left.iter().fold(0, |some, cap| some | 1 << cap);
            set_capabilities([some, some, some, 0, 0, 0])?;
            let raise = libc::PR_CAP_AMBIENT_RAISE as c_long;
            for cap in left {
                prctl(
                    libc::PR_CAP_AMBIENT,
                    raise,
                    cap as c_long,
                    Step::Capabilities,
                )?;
            }
        }
    }
    Ok(())
}

/// Effective, permitted and inheritable, the lower half first.
fn set_capabilities(sets: [u32; 6]) -> Result<(), Step> {
    let header = CapHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let args = [ptr::from_ref(&header) as c_long, sets.as_ptr() as c_long];
    sys(libc::SYS_capset, &args, Step::Capabilities)
}

fn descriptors(plan: &Plan) -> Result<(), Step> {
    let mut first = if plan.stdio.is_some() { 3 } else { 0 };
    if !plan.descriptors {
        let null = c"/dev/null".as_ptr() as c_long;
        // SAFETY: opens a file by a constant name.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat,
                libc::AT_FDCWD as c_long,
                null,
                libc::O_RDWR as c_long,
                0,
            )
        };
        if fd != first {
            sys(libc::SYS_dup3, &[fd, first, 0], Step::Descriptors)?;
        }
        first = 4;
    }
    let last = c_long::from(u32::MAX);
    // An image is executed through its descriptor, which is closed then. Not all of them are: Linux
    // before 5.11 can't do that.
    if let Some(image) = &plan.image {
        let image = image.as_raw_fd() as c_long;
        if image > first {
            close(first, image - 1)?;
        }
        first = image + 1;
    }
    close(first, last)
}

fn close(first: c_long, last: c_long) -> Result<(), Step> {
    sys(libc::SYS_close_range, &[first, last, 0], Step::Descriptors)
}

fn install(filter: &[libc::sock_filter]) -> Result<(), Step> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    let args = [
        libc::SECCOMP_SET_MODE_FILTER as c_long,
        0,
        ptr::from_ref(&program) as c_long,
    ];
    sys(libc::SYS_seccomp, &args, Step::Filter)
}

/// Returns only if no program could be executed.
fn execute(plan: &Plan) -> Step {
    let (argv, envp) = (plan.argv.pointers.as_ptr(), plan.envp.pointers.as_ptr());
    if let Some(image) = &plan.image {
        let flags = libc::AT_EMPTY_PATH as c_long;
        let args = [
            image.as_raw_fd() as c_long,
            c"".as_ptr() as c_long,
            argv as c_long,
            envp as c_long,
            flags,
        ];
        let _ = sys(libc::SYS_execveat, &args, Step::Execute);
        return Step::Execute;
    }
    let mut denied = false;
    for program in &plan.programs {
        let _ = sys(
            libc::SYS_execve,
            &[program.as_ptr() as c_long, argv as c_long, envp as c_long],
            Step::Execute,
        );
        match errno() {
            libc::EACCES => denied = true,
            libc::ENOENT | libc::ENOTDIR => {}
            _ => return Step::Execute,
        }
    }
    // As a shell has it: a file that may not be executed counts only if there is no other.
    set_errno(if denied { libc::EACCES } else { libc::ENOENT });
    Step::Execute
}

fn prctl(option: c_int, a: c_long, b: c_long, step: Step) -> Result<(), Step> {
    sys(libc::SYS_prctl, &[option as c_long, a, b, 0, 0], step)
}

pub(super) fn sys(number: c_long, args: &[c_long], step: Step) -> Result<(), Step> {
    let mut all = [0; 6];
    for (to, from) in all.iter_mut().zip(args) {
        *to = *from;
    }
    // SAFETY: only called with what the system call of that number takes: numbers, and pointers to
    // memory that lives across the call.
    match unsafe { libc::syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]) } {
        -1 => Err(step),
        _ => Ok(()),
    }
}

pub(super) fn errno() -> c_int {
    // SAFETY: libc's errno of this thread, which in the child is that of the waiting one.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value };
}
