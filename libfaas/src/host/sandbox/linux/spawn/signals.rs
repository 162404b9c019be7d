//! Signals between `clone` and `execve`.

use std::ffi::c_long;
use std::ptr;

use super::child::sys;
use super::plan::{Signals, Step};

/// The kernel's signal set, which unlike libc's has the signals that libc keeps to itself.
pub(super) type Mask = u64;

pub(super) fn block_signals() -> Mask {
    let mut before: Mask = 0;
    set_mask(&Mask::MAX, Some(&mut before));
    before
}

pub(super) fn restore_signals(before: &Mask) {
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

pub(super) fn signals(wanted: Signals) -> Result<(), Step> {
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
