//! What the process does to itself: ends, leaves children behind, listens to SIGTERM.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::step::{Spawn, Standard};

/// A case that asks for what can't be is a mistake of the suite, and should look like nothing else.
pub(crate) fn unusable(why: &str) -> ! {
    eprintln!("recorder: {why}");
    std::process::exit(200)
}

/// Kills the process by a signal.
pub(crate) fn die(signal: &str) -> ! {
    let signal = match signal {
        "ABRT" => libc::SIGABRT,
        "KILL" => libc::SIGKILL,
        "PIPE" => libc::SIGPIPE,
        "SEGV" => libc::SIGSEGV,
        "TERM" => libc::SIGTERM,
        _ => unusable(&format!("no signal SIG{signal}")),
    };
    // SAFETY: both take plain numbers; the default action ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    // The first process of a PID namespace takes no signal whose action is the default one.
    std::process::exit(128 + signal)
}

pub(crate) fn close(stream: Standard) {
    let fd = match stream {
        Standard::Stdin => 0,
        Standard::Stdout => 1,
        Standard::Stderr => 2,
    };
    // SAFETY: no object of this process owns the standard descriptors; a further use fails with EBADF.
    unsafe { libc::close(fd) };
}

pub(crate) fn ignore_sigterm() {
    // SAFETY: no handler is given.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}

static TERM: OnceLock<OwnedFd> = OnceLock::new();

/// From now on SIGTERM makes this descriptor readable and does nothing else.
pub(crate) fn catch_sigterm() {
    TERM.get_or_init(|| {
        let pipe = pipe_with(PipeFlags::CLOEXEC);
        let (read, write) = pipe.unwrap_or_else(|e| unusable(&format!("no pipe: {e}")));
        if let Err(e) = signal_hook::low_level::pipe::register(libc::SIGTERM, write) {
            unusable(&format!("SIGTERM can't be caught: {e}"));
        }
        read
    });
}

pub(crate) fn sigterm() -> Option<RawFd> {
    TERM.get().map(AsRawFd::as_raw_fd)
}

/// Waits until killed.
pub(crate) fn hang() -> ! {
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}

/// Leaves a process behind that holds what it is told to and waits.
pub(crate) fn spawn(how: &Spawn) {
    // SAFETY: the process has one thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => unusable("no process can be left behind: fork fails"),
        0 => {}
        child => {
            if how.session {
                // SAFETY: the status may be null; the child below ends at once.
                unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            }
            return;
        }
    }
    if how.session {
        // SAFETY: as above; the grandchild is nobody's child when its parent ends.
        unsafe {
            libc::setsid();
            if libc::fork() != 0 {
                libc::_exit(0);
            }
        }
    }
    close(Standard::Stdin);
    if !how.stdout {
        close(Standard::Stdout);
        close(Standard::Stderr);
    }
    // What is left behind on purpose does not go because it is asked to.
    ignore_sigterm();
    // SAFETY: no handler is given.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    hang()
}

/// Waits until there is something to read on stdin, or SIGTERM came, or the time is up.
/// (stdin, SIGTERM)
pub(crate) fn wait_for_input(stdin: bool, until: Option<Instant>) -> (bool, bool) {
    let timeout = until.map_or(-1, |until| {
        let left = until.saturating_duration_since(Instant::now());
        i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX)
    });
    let mut fds = [
        libc::pollfd {
            fd: if stdin { 0 } else { -1 },
            events: libc::POLLIN,
            revents: 0,
        },
        libc::pollfd {
            fd: sigterm().unwrap_or(-1),
            events: libc::POLLIN,
            revents: 0,
        },
    ];
    // SAFETY: the pointer and the count are those of the array.
    if unsafe { libc::poll(fds.as_mut_ptr(), 2, timeout) } < 0 {
        return (false, false);
    }
    (fds[0].revents != 0, fds[1].revents != 0)
}

/// Reads what is there; None at the end.
pub(crate) fn read(buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: the pointer and the length are those of a slice.
    match unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) } {
        n @ 1.. => Some(n as usize),
        -1 if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => Some(0),
        -1 if std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock => Some(0),
        _ => None,
    }
}
