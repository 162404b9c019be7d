//! For tests: a thread on which the kernel is an older one, as far as a seccomp program can tell.

use std::thread;

use libc::{c_long, sock_filter};

/// Loads 32 bits of `seccomp_data`: at 0 the number of the call, from 16 on its arguments, of 8 bytes each.
pub(super) fn load(at: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, at)
}

/// Goes so many instructions further unless what was loaded is `k`.
pub(super) fn unless(k: u32, further: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, further, k)
}

/// Lets the call fail with this error.
pub(super) fn fail(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno as u32)
}

pub(super) fn allow() -> sock_filter {
    answer(libc::SECCOMP_RET_ALLOW)
}

fn answer(with: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, with)
}

fn instruction(code: u32, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    }
}

/// Runs something on a thread of its own whose system calls, and those of its children, the program judges.
pub(super) fn under<T: Send + 'static>(
    mut program: Vec<sock_filter>,
    run: impl FnOnce() -> T + Send + 'static,
) -> T {
    let filtered = thread::spawn(move || {
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the program is as long as it says; both concern this thread alone.
        let done: c_long = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program)
        };
        assert_eq!(done, 0);
        run()
    });
    filtered.join().unwrap()
}
