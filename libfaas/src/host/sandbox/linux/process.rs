//! A child of the host: watched, signalled and reaped by its descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid,
};

/// Shared by the sandbox, which kills and reaps it, and by whoever started it.
#[derive(Clone, Debug)]
pub(in super::super) struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pid: Pid,
    pidfd: OwnedFd,
    /// Set when the process is reaped. From then on its number may be somebody else's.
    status: Mutex<Option<ExitStatus>>,
    /// Whether to reap it; a faulty host does not.
    reap: bool,
}

impl Process {
    pub(super) fn new(pid: Pid, pidfd: OwnedFd, reap: bool) -> Process {
        let status = Mutex::new(None);
        Process(Arc::new(Inner {
            pid,
            pidfd,
            status,
            reap,
        }))
    }

    pub(in super::super) fn pid(&self) -> u32 {
        self.0.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(in super::super) fn signal(&self, signal: Signal) {
        let status = self.0.status.lock().unwrap_or_else(PoisonError::into_inner);
        // Until it is reaped its number is its own, also as that of its group.
        // Somebody else may have reaped it.
        if status.is_none() && pidfd_send_signal(&self.0.pidfd, signal) != Err(Errno::SRCH) {
            let _ = kill_process_group(self.0.pid, signal);
        }
    }

    /// SIGKILL to the process alone.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.0.pidfd, Signal::KILL);
    }

    pub(in super::super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let mut status = self.0.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_some() {
            return Ok(*status);
        }
        let mut options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        options.set(WaitIdOptions::NOWAIT, !self.0.reap);
        let ended = match waitid(WaitId::PidFd(self.0.pidfd.as_fd()), options) {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // As wait(2) puts them together.
        let raw = match (ended.exit_status(), ended.terminating_signal()) {
            (Some(code), _) => (code & 0xff) << 8,
            (None, signal) => signal.unwrap_or(0) | if ended.dumped() { 0x80 } else { 0 },
        };
        *status = Some(ExitStatus::from_raw(raw));
        Ok(*status)
    }

    /// Waits until it has ended, and reaps it. False if it is still there after the time.
    pub(super) fn wait_until(&self, deadline: Instant) -> bool {
        loop {
            // An error means that somebody else has reaped it.
            if !matches!(self.try_wait(), Ok(None)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            wait_readable(self.as_fd(), left);
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.pidfd.as_fd()
    }
}

pub(super) fn wait_readable(fd: BorrowedFd<'_>, time: Duration) {
    let timeout = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    let _ = poll(
        &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
        Some(&timeout),
    );
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::{WaitOptions, waitpid};

    use super::super::spawn::{Plan, Strings, spawn};
    use super::*;

    fn start(program: &str, argument: &str) -> (Pid, OwnedFd) {
        let plan = Plan {
            programs: vec![std::ffi::CString::new(program).unwrap()],
            argv: Strings::new([[program], [argument]].into_iter()).unwrap(),
            ..Plan::default()
        };
        spawn(&plan).unwrap()
    }

    fn wait(pid: Pid) -> Option<i32> {
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        status.terminating_signal()
    }

    /// In a PID namespace of its own, where no other test starts processes.
    #[test]
    fn whoever_gets_the_number_of_one_that_somebody_else_reaped_gets_no_signal() {
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child"])
            .arg(std::env::current_exe().unwrap())
            .args(["process::tests::alone", "--ignored", "--nocapture"]);
        let Ok(output) = command.output() else {
            eprintln!("skipped: there is no unshare(1)");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        if !text.contains("running 1 test") {
            eprintln!("skipped: a PID namespace can't be made");
            return;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{errors}");
    }

    #[test]
    #[ignore = "run by the test above, in a PID namespace of its own"]
    fn alone() {
        let (pid, pidfd) = start("/bin/true", "");
        let process = Process::new(pid, pidfd, true);
        // As where the host's parent has told it to ignore SIGCHLD, or where something in it reaps
        // whatever ends.
        wait(pid);
        let before = pid.as_raw_nonzero().get() - 1;
        if fs::write("/proc/sys/kernel/ns_last_pid", before.to_string()).is_err() {
            eprintln!("skipped: the next process's number can't be chosen");
            return;
        }
        let (next, _pidfd) = start("/bin/sleep", "600");
        assert_eq!(next, pid);
        process.signal(Signal::TERM);
        rustix::process::kill_process(next, Signal::USR1).unwrap();
        assert_eq!(wait(next), Some(libc::SIGUSR1));
    }
}
