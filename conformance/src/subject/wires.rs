//! A subject's streams for whoever measures: nothing stands between, and nothing is kept of what goes
//! over them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Subject;
use crate::interrupt;

/// What can be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
}

impl Subject {
    /// The suite's ends of stdin and stdout, neither of which blocks.
    pub(crate) fn wires(&self) -> Option<(BorrowedFd<'_>, BorrowedFd<'_>)> {
        Some((self.stdin.as_ref()?.as_fd(), self.stdout.as_ref()?.as_fd()))
    }

    /// Has its pipes hold large messages at once, as a host does; they stay as they are where the
    /// system forbids it.
    pub(crate) fn widen(&self) {
        #[cfg(target_os = "linux")]
        if let Some((stdin, stdout)) = self.wires() {
            let _ = rustix::pipe::fcntl_setpipe_size(stdin, 1 << 20);
            let _ = rustix::pipe::fcntl_setpipe_size(stdout, 1 << 20);
        }
    }

    /// Waits until something can be read from stdout, or with `writing` be written to stdin; at most
    /// until `deadline`. Reads stderr meanwhile.
    pub(crate) fn ready(&mut self, writing: bool, deadline: Instant) -> io::Result<Ready> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let mut fds = Vec::with_capacity(4);
        let stdout = self.stdout.as_ref().expect("it is not closed");
        fds.push(PollFd::new(stdout, PollFlags::IN));
        let stdin = self.stdin.as_ref().filter(|_| writing);
        fds.extend(stdin.map(|fd| PollFd::new(fd, PollFlags::OUT)));
        let others = fds.len();
        let stderr = self.stages.iter().filter_map(|stage| stage.stderr.as_ref());
        fds.extend(stderr.map(|fd| PollFd::new(fd, PollFlags::IN)));
        let after_stderr = fds.len();
        let interrupt = interrupt::fd();
        fds.extend(interrupt.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let timeout = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(e) => return Err(e.into()),
        }
        let is_set = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let ready = Ready {
            stdout: is_set(&fds[0]),
            stdin: others > 1 && is_set(&fds[1]),
        };
        let logged = fds[others..after_stderr].iter().any(is_set);
        drop(fds);
        if logged {
            self.stages
                .iter_mut()
                .for_each(|stage| stage.drain_stderr());
        }
        Ok(ready)
    }

    /// What there is to say of it when it does not do what it should: how it ended, and the end of
    /// what it wrote to stderr.
    pub(crate) fn last_words(&mut self) -> String {
        /// stdout may end a moment before its process does.
        const MOMENT: Duration = Duration::from_millis(200);
        let deadline = Instant::now() + MOMENT;
        let mut rest = Vec::new();
        while self.exit().is_none() && Instant::now() < deadline && !interrupt::raised() {
            if self.turn(deadline, &mut rest).is_err() {
                break;
            }
            rest.clear();
        }
        let mut words = match self.exit() {
            Some(exit) => format!("its process {}", super::describe(exit)),
            None => "its process is running".to_owned(),
        };
        let (stderr, _) = self.stderr();
        let lines: Vec<&str> = stderr.lines().rev().take(3).collect();
        if !lines.is_empty() {
            words.push_str("; its stderr ends with");
            for line in lines.into_iter().rev() {
                words.push_str("\n    ");
                words.extend(line.chars().take(200));
            }
        }
        words
    }
}
