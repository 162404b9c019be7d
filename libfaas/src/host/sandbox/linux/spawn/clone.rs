//! `clone` with borrowed memory, into a control group where the kernel can.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use super::child::{child, errno};
use super::{Shared, Stack};

/// As libc has it, this is too wide for its type.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;

/// The child's number and descriptor, once it has executed a program or exited.
pub(super) fn clone(shared: &mut Shared<'_>, stack: &mut Stack) -> Result<(Pid, RawFd), c_int> {
    let mut pidfd: c_int = -1;
    let flags = FLAGS | libc::SIGCHLD | shared.plan.namespaces;
    // SAFETY: the stack is large enough, aligned, and lives until `clone` returns here, which with
    // CLONE_VFORK is after the child has executed a program or exited; so does `shared`, which
    // nobody else uses meanwhile. `child` keeps to what is allowed on borrowed memory.
    let pid = unsafe {
        libc::clone(
            child,
            stack.as_mut_ptr_range().end.cast(),
            flags,
            ptr::from_mut(shared).cast::<c_void>(),
            ptr::from_mut(&mut pidfd),
        )
    };
    Pid::from_raw(pid.max(0))
        .map(|pid| (pid, pidfd))
        .ok_or_else(errno)
}

/// Likewise, born in a control group of version 2.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn clone_into(
    shared: &mut Shared<'_>,
    stack: &mut Stack,
    group: &OwnedFd,
) -> Result<(Pid, RawFd), c_int> {
    let mut pidfd: c_int = -1;
    let arguments = libc::clone_args {
        flags: (FLAGS | shared.plan.namespaces) as u64 | CLONE_INTO_CGROUP,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: size_of_val(stack) as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: group.as_raw_fd() as u64,
    };
    // SAFETY: as for `clone`.
    let pid = unsafe { clone3(&arguments, child, ptr::from_mut(shared).cast()) };
    match Pid::from_raw(pid.max(0) as i32) {
        Some(pid) => Ok((pid, pidfd)),
        None => Err(-pid as c_int),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn clone_into(
    _: &mut Shared<'_>,
    _: &mut Stack,
    _: &OwnedFd,
) -> Result<(Pid, RawFd), c_int> {
    Err(libc::ENOSYS)
}

/// `clone3`, which no libc offers. The child calls `main` on the stack of the arguments, since it
/// can't return on one that is empty.
///
/// # Safety
///
/// The stack of the arguments must live until the child has executed a program or exited, `main`
/// must not return, and must keep to what is allowed with the arguments' flags.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(
    arguments: &libc::clone_args,
    main: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> i64 {
    let result;
    // SAFETY: the caller's promise. In the parent this changes nothing but the registers that are
    // named; the child never comes out of it.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("r8") main,
            in("r9") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(
    arguments: &libc::clone_args,
    main: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> i64 {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x10",
            "blr x9",
            "brk 1",
            "2:",
            inlateout("x0") ptr::from_ref(arguments) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x9") main,
            in("x10") argument,
        );
    }
    result
}
