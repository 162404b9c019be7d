//! The host's ends of an instance's streams, and its processes: all that is waited for.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::Signal;

use crate::host::{Death, Exit, Instance, Limit, Log, Process, Record, Sandbox};

/// Bytes asked for in one read: what a pipe holds on Linux.
const READ: usize = 64 << 10;

/// Bytes asked for in the first, and until one is filled: most processes say little.
const FIRST_READ: usize = 4 << 10;

pub(super) struct Wires {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    /// One of each stage, as the three that follow.
    stderr: Vec<Option<OwnedFd>>,
    logs: Vec<Log>,
    processes: Vec<Process>,
    exits: Vec<Option<Exit>>,
    sandbox: Sandbox,
    buffer: Vec<u8>,
    /// The pipes have been made wider.
    wide: bool,
}

/// What came of reading.
pub(super) enum Read<'a> {
    Bytes(&'a [u8]),
    End,
    /// Nothing is there now.
    Nothing,
}

/// The same, of what was read to a buffer of the caller's.
pub(super) enum Appended {
    Bytes(usize),
    End,
    Nothing,
}

/// What is there to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) process: bool,
}

impl Wires {
    /// The host's own ends don't block; the function's do.
    pub(super) fn new(instance: Instance, stderr_bytes: usize) -> io::Result<Self> {
        let Instance {
            processes,
            stdin,
            stdout,
            stderr,
            sandbox,
        } = instance;
        for fd in [&stdin, &stdout].into_iter().chain(&stderr) {
            ioctl_fionbio(fd, true)?;
        }
        Ok(Wires {
            stdin: Some(stdin),
            stdout: Some(stdout),
            logs: stderr.iter().map(|_| Log::new(stderr_bytes)).collect(),
            stderr: stderr.into_iter().map(Some).collect(),
            exits: vec![None; processes.len()],
            processes,
            sandbox,
            buffer: Vec::with_capacity(FIRST_READ),
            wide: false,
        })
    }

    /// Waits for something to do, until `deadline`.
    pub(super) fn wait(&self, write: bool, deadline: Option<Instant>) -> io::Result<Ready> {
        let mut fds = Vec::with_capacity(2 + 2 * self.processes.len());
        let stdin = self.stdin.as_ref().filter(|_| write);
        fds.extend(stdin.map(|fd| PollFd::new(fd, PollFlags::OUT)));
        let after_stdin = fds.len();
        fds.extend(
            self.stdout
                .as_ref()
                .map(|fd| PollFd::new(fd, PollFlags::IN)),
        );
        let after_stdout = fds.len();
        let open = self.stderr.iter().flatten();
        fds.extend(open.map(|fd| PollFd::new(fd, PollFlags::IN)));
        let after_stderr = fds.len();
        let running = self
            .processes
            .iter()
            .zip(&self.exits)
            .filter(|(_, exit)| exit.is_none());
        fds.extend(running.map(|(process, _)| PollFd::new(process, PollFlags::IN)));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Rounded up, so that the deadline has passed when the wait is over.
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut fds, left.as_ref()) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let any =
            |range: std::ops::Range<usize>| fds[range].iter().any(|fd| !fd.revents().is_empty());
        Ok(Ready {
            stdin: any(0..after_stdin),
            stdout: any(after_stdin..after_stdout),
            stderr: any(after_stdout..after_stderr),
            process: any(after_stderr..fds.len()),
        })
    }

    /// Makes the pipes as wide as may be, once something larger than a pipe goes through them.
    pub(super) fn widen_for(&mut self, bytes: usize) {
        if bytes > READ && !self.wide {
            self.wide = true;
            for pipe in [&self.stdin, &self.stdout].into_iter().flatten() {
                widen(pipe);
            }
        }
    }

    /// Writes what stdin takes now: how much, or None if nobody reads it any more.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let stdin = self.stdin.as_ref()?;
        loop {
            match crate::pipe::write(stdin, slices) {
                Ok(count) => return Some(count),
                Err(Errno::AGAIN) => return Some(0),
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.stdin = None;
                    return None;
                }
            }
        }
    }

    /// Appends what stdout has now to a buffer, as much as that has room for.
    pub(super) fn append(&mut self, buffer: &mut Vec<u8>) -> Appended {
        let Some(stdout) = &self.stdout else {
            return Appended::Nothing;
        };
        loop {
            match rustix::io::read(stdout, spare_capacity(buffer)) {
                Ok(count @ 1..) => return Appended::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Appended::Nothing,
                Ok(_) | Err(_) => {
                    self.stdout = None;
                    return Appended::End;
                }
            }
        }
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(super) fn read(&mut self) -> Read<'_> {
        let Some(stdout) = &self.stdout else {
            return Read::Nothing;
        };
        match read(stdout, &mut self.buffer) {
            Read::End => {
                self.stdout = None;
                Read::End
            }
            // Looked up again: the borrow of a returned slice lasts in every arm.
            Read::Bytes(_) => Read::Bytes(&self.buffer),
            Read::Nothing => Read::Nothing,
        }
    }

    /// Bytes that stdout holds now.
    pub(super) fn held(&self) -> u64 {
        self.stdout
            .as_ref()
            .map_or(0, |stdout| rustix::io::ioctl_fionread(stdout).unwrap_or(0))
    }

    /// Reads what stderr of every stage holds, at most a pipe's worth each.
    pub(super) fn read_stderr(&mut self, is_open: impl Fn(u64) -> bool) {
        for (stderr, log) in self.stderr.iter_mut().zip(&mut self.logs) {
            let Some(fd) = stderr else { continue };
            match read(fd, &mut self.buffer) {
                Read::Bytes(bytes) => log.read(bytes, &is_open),
                Read::End => {
                    log.end(&is_open);
                    *stderr = None;
                }
                Read::Nothing => {}
            }
        }
    }

    /// Looks which processes have ended; whether another one has.
    pub(super) fn reap(&mut self) -> bool {
        let mut news = false;
        for (process, exit) in self.processes.iter_mut().zip(&mut self.exits) {
            if exit.is_none() {
                *exit = match process.try_wait() {
                    Ok(status) => status.map(Exit::from),
                    // Somebody else has reaped it.
                    Err(_) => Some(Exit::Code(-1)),
                };
                news |= exit.is_some();
            }
        }
        news
    }

    pub(super) fn all_ended(&self) -> bool {
        self.exits.iter().all(Option::is_some)
    }

    /// How the instance ended, as far as it has, with what stderr still holds.
    pub(super) fn death(&mut self, limit: Option<Limit>) -> Death {
        let known = self
            .exits
            .iter()
            .enumerate()
            .filter_map(|(n, exit)| Some((n, (*exit)?)));
        let exit = Exit::of_pipeline(known.clone().map(|(_, exit)| exit));
        let stage = known
            .filter(|(_, one)| *one == exit)
            .map(|(stage, _)| stage)
            .next();
        // What the dying have said is there: nobody can hold this up.
        for _ in 0..2 {
            self.read_stderr(|_| false);
        }
        let log = stage.and_then(|stage| self.logs.get(stage));
        let memory = || self.sandbox.memory_exceeded().then_some(Limit::Memory);
        Death {
            exit,
            limit: limit.or_else(memory),
            last_line: log.map_or_else(String::new, |log| log.last_line().to_owned()),
        }
    }

    /// Sends a signal to the process group of every stage (`pipeline-signal`).
    pub(super) fn signal(&self, signal: Signal) {
        let running = self
            .processes
            .iter()
            .zip(&self.exits)
            .filter(|(_, exit)| exit.is_none());
        running.for_each(|(process, _)| process.signal(signal));
    }

    /// Kills everything of the instance, and waits for its processes.
    pub(super) fn kill(&mut self) {
        self.sandbox.kill();
        for (process, exit) in self.processes.iter_mut().zip(&mut self.exits) {
            exit.get_or_insert_with(|| process.wait().map_or(Exit::Code(-1), Exit::from));
        }
    }

    /// Moves the records that were read to `into`.
    pub(super) fn take_records(&mut self, into: &mut impl Extend<Record>) {
        for log in &mut self.logs {
            into.extend(std::iter::from_fn(|| log.record()));
        }
    }
}

/// Makes room for a large message at once, which saves as many switches between processes. Nothing
/// is lost where it can't be: the system bounds what all pipes of a user hold.
fn widen(pipe: &impl AsFd) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

fn read<'a>(fd: &impl AsFd, buffer: &'a mut Vec<u8>) -> Read<'a> {
    let filled = buffer.len() == buffer.capacity();
    buffer.clear();
    if filled {
        buffer.reserve(READ);
    }
    loop {
        return match rustix::io::read(fd, spare_capacity(buffer)) {
            Ok(0) => Read::End,
            Ok(_) => Read::Bytes(buffer),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Read::Nothing,
            Err(_) => Read::End,
        };
    }
}
