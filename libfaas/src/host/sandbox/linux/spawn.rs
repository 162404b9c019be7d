//! Starts a process without copying the host.
//!
//! `fork` copies the page tables of the whole host, which takes longer the bigger the host is.
//! Here the child borrows the host's memory, as `vfork` has it, while the thread that started it
//! waits: what it needs is made ready before, and it does nothing but system calls until it
//! executes the program. What went wrong on the way it leaves in the borrowed memory.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;

use rustix::process::Pid;

/// Everything about a process that is to be started.
#[derive(Debug)]
pub(super) struct Plan {
    /// The files that the program may be, tried in turn as a shell tries the folders of PATH.
    pub(super) programs: Vec<CString>,
    /// Instead of `programs`: an open file.
    pub(super) image: Option<OwnedFd>,
    pub(super) argv: Strings,
    pub(super) envp: Strings,
    /// `CLONE_NEW…`: namespaces that it is the first of.
    pub(super) namespaces: c_int,
    /// Where it runs.
    pub(super) cwd: Option<CString>,
    /// Descriptors 0, 1 and 2. Their own numbers are above 2. None: not even those are open.
    pub(super) stdio: Option<[OwnedFd; 3]>,
    /// The control groups that it joins.
    pub(super) groups: Doors,
    /// A user namespace to enter.
    pub(super) user_namespace: Option<OwnedFd>,
    /// Leads a session of its own; else only a process group.
    pub(super) session: bool,
    pub(super) umask: Option<u32>,
    /// Mounts `/proc` as its own PID namespace sees it, which nobody outside can do for it.
    pub(super) mounts_proc: bool,
    /// Resource limits, soft and hard alike.
    pub(super) limits: Vec<(c_int, u64)>,
    /// User and group, with no other groups.
    pub(super) identity: Option<(u32, u32)>,
    pub(super) capabilities: Capabilities,
    pub(super) no_new_privileges: bool,
    pub(super) signals: Signals,
    /// Dies when the thread that started it does, which has to live as long as the host.
    pub(super) dies_with_thread: bool,
    /// Descriptors beyond 2: close all, or leave 3.
    pub(super) descriptors: bool,
    /// A seccomp program.
    pub(super) filter: Option<Arc<Vec<libc::sock_filter>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capabilities {
    /// As the host has them.
    Keep,
    /// None, and none to be gained.
    Drop,
    /// None but some that outlive `execve`. Only a faulty host leaves any.
    LeaveSome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signals {
    /// All at their default action, none blocked.
    Default,
    /// SIGCHLD ignored, so that the kernel reaps; all others at their default.
    Reaping,
    /// SIGPIPE ignored and SIGUSR1 blocked. Only a faulty host has this.
    Disturbed,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            programs: Vec::new(),
            image: None,
            namespaces: 0,
            argv: Strings::default(),
            envp: Strings::default(),
            cwd: None,
            stdio: None,
            groups: Doors::default(),
            user_namespace: None,
            session: true,
            umask: None,
            mounts_proc: false,
            limits: Vec::new(),
            identity: None,
            capabilities: Capabilities::Keep,
            no_new_privileges: false,
            signals: Signals::Default,
            dies_with_thread: false,
            descriptors: true,
            filter: None,
        }
    }
}

/// How a process comes into its control groups.
#[derive(Debug, Default)]
pub(super) struct Doors {
    /// `tasks` of those of version 1. A process that moves itself alone, by this file, takes no
    /// lock that all forks wait for.
    pub(super) tasks: Vec<OwnedFd>,
    /// Of the one of version 2, its folder and its `cgroup.procs`. Writing to the latter takes such
    /// a lock, ten milliseconds of it; to be born in the group takes none.
    pub(super) unified: Option<(OwnedFd, OwnedFd)>,
}

/// Strings as `execve` takes them.
#[derive(Debug)]
pub(super) struct Strings {
    /// Owns what the pointers lead to.
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into the strings that travel with them, which nobody changes.
unsafe impl Send for Strings {}

impl Strings {
    pub(super) fn new(owned: Vec<CString>) -> Strings {
        let mut pointers: Vec<_> = owned.iter().map(|string| string.as_ptr()).collect();
        pointers.push(ptr::null());
        Strings {
            _owned: owned,
            pointers,
        }
    }
}

impl Default for Strings {
    fn default() -> Self {
        Strings::new(Vec::new())
    }
}

/// A step on the way to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Clone,
    Group,
    UserNamespace,
    Session,
    Stdio,
    Signals,
    Limits,
    Proc,
    Identity,
    Capabilities,
    NoNewPrivileges,
    Folder,
    Descriptors,
    Filter,
    Execute,
}

impl Step {
    pub(super) fn doing(self) -> &'static str {
        match self {
            Step::Clone => "create a process",
            Step::Group => "join a control group",
            Step::UserNamespace => "enter a user namespace",
            Step::Session => "lead a session",
            Step::Stdio => "set the descriptors 0, 1 and 2",
            Step::Signals => "reset the signals",
            Step::Limits => "set resource limits",
            Step::Proc => "mount /proc",
            Step::Identity => "change the user",
            Step::Capabilities => "drop capabilities",
            Step::NoNewPrivileges => "set no_new_privs",
            Step::Folder => "enter the function's folder",
            Step::Descriptors => "close descriptors",
            Step::Filter => "install the system call filter",
            Step::Execute => "execute the program",
        }
    }
}

/// Where a start failed, and with which error.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: Step,
    pub(super) errno: i32,
}

/// What parent and child share while the parent waits.
struct Shared<'a> {
    plan: &'a Plan,
    /// Not born in its group of version 2, so that it has to join.
    joins_unified: bool,
    failed: Option<Failed>,
}

/// Bytes of stack for the child. It calls a few system calls deep; debug builds are generous.
const STACK: usize = 64 << 10;

/// Starts it. The answer is a process that runs the program, or nothing is left of it.
pub(super) fn spawn(plan: &Plan) -> Result<(Pid, OwnedFd), Failed> {
    let mut stack = vec![0u128; STACK / 16];
    let mut shared = Shared {
        plan,
        joins_unified: false,
        failed: None,
    };
    // A child that changes its user takes from the memory that it shares the permission to be
    // dumped, and with it the host's right to its own files in /proc.
    let dumpable = dumpable();
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
    restore_dumpable(dumpable);
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

/// As libc has it, this is too wide for its type.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;

/// The child's number and descriptor, once it has executed a program or exited.
fn clone(shared: &mut Shared<'_>, stack: &mut [u128]) -> Result<(Pid, RawFd), c_int> {
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
fn clone_into(
    shared: &mut Shared<'_>,
    stack: &mut [u128],
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
fn clone_into(_: &mut Shared<'_>, _: &mut [u128], _: &OwnedFd) -> Result<(Pid, RawFd), c_int> {
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

fn dumpable() -> c_int {
    // SAFETY: takes and changes no memory.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }
}

fn restore_dumpable(before: c_int) {
    if before == 1 && dumpable() != before {
        // SAFETY: takes and changes no memory.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, before) };
    }
}

/// Reaps a child that has exited.
fn reap(pid: Pid) {
    while let Err(rustix::io::Errno::INTR) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
    {}
}

/// The kernel's signal set, which unlike libc's has the signals that libc keeps to itself.
type Mask = u64;

fn block_signals() -> Mask {
    let mut before: Mask = 0;
    set_mask(&Mask::MAX, Some(&mut before));
    before
}

fn restore_signals(before: &Mask) {
    set_mask(before, None);
}

fn set_mask(mask: &Mask, before: Option<&mut Mask>) {
    let before = before.map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: both point to as many bytes as the fourth argument says, or nowhere.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as c_long,
            ptr::from_ref(mask),
            before,
            size_of::<Mask>(),
        );
    }
}

/// The child's life up to `execve`.
///
/// It runs on the host's memory, in the copy of a process whose other threads don't exist here. So
/// it allocates nothing, takes no lock, can't panic, and calls the kernel directly: libc's
/// `setresuid`, for example, would have the host's threads change their user too.
extern "C" fn child(shared: *mut c_void) -> c_int {
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
        .map(|(_, procs)| procs)
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

fn signals(wanted: Signals) -> Result<(), Step> {
    const LAST: c_long = 64;
    // The kernel's sigaction begins with the handler; zeroes stand for the default action. It is
    // 32 bytes on every 64-bit architecture, and no longer on the others.
    let default = [0u64; 4];
    let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
    for signal in 1..=LAST {
        if signal == libc::SIGKILL as c_long || signal == libc::SIGSTOP as c_long {
            continue;
        }
        let ignored = match wanted {
            Signals::Default => false,
            Signals::Reaping => signal == libc::SIGCHLD as c_long,
            Signals::Disturbed => signal == libc::SIGPIPE as c_long,
        };
        let action = if ignored { &ignore } else { &default };
        let args = [
            signal,
            action.as_ptr() as c_long,
            0,
            size_of::<Mask>() as c_long,
        ];
        sys(libc::SYS_rt_sigaction, &args, Step::Signals)?;
    }
    let blocked: Mask = match wanted {
        Signals::Disturbed => 1 << (libc::SIGUSR1 - 1),
        Signals::Default | Signals::Reaping => 0,
    };
    set_mask(&blocked, None);
    Ok(())
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
    // On exec and not now: an image is executed through its descriptor.
    let args = [first, last, libc::CLOSE_RANGE_CLOEXEC as c_long];
    sys(libc::SYS_close_range, &args, Step::Descriptors)
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

fn sys(number: c_long, args: &[c_long], step: Step) -> Result<(), Step> {
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

fn errno() -> c_int {
    // SAFETY: libc's errno of this thread, which in the child is that of the waiting one.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value };
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        io::Error::from_raw_os_error(failed.errno)
    }
}

/// A descriptor above 2, so that placing one of the three can't overwrite another.
pub(super) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    const FIRST: RawFd = 3;
    match fd.as_raw_fd() >= FIRST {
        true => Ok(fd),
        false => Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST)?),
    }
}

/// A string without NUL, as the kernel takes it.
pub(super) fn c_string(text: &[u8], what: &str) -> Result<CString, String> {
    CString::new(text)
        .map_err(|_| format!("{what} contains a NUL character, which no program can be given"))
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn plan(program: &CStr, argv: &[&CStr]) -> Plan {
        Plan {
            programs: vec![program.to_owned()],
            argv: Strings::new(argv.iter().map(|&arg| arg.to_owned()).collect()),
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
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let failed = spawn(&Plan {
            groups: Doors {
                tasks: Vec::new(),
                unified: Some((null(), null())),
            },
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
