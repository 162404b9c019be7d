//! A running subject: its processes, and the suite's ends of their streams, driven by one `poll` loop.

pub mod launch;
mod outbox;
pub mod sweep;
mod tail;
mod wires;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tempfile::TempDir;

use self::launch::Stage;
pub use self::outbox::Outbox;
pub use self::tail::Tail;
use crate::interrupt;
use crate::transcript::Transcript;

/// Bytes read at once.
const READ: usize = 64 << 10;

/// A started subject. Dropping it kills and reaps everything that it started.
#[derive(Debug)]
pub struct Subject {
    stages: Vec<Process>,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    outbox: Outbox,
    /// While true, stdout is not read.
    stalled: bool,
    /// stdout has reached its end, or all that it held when the last stage ended was read.
    ended: bool,
    /// Bytes read from stdout.
    received: u64,
    tmp: TempDir,
    started: Instant,
    /// What went over the wire.
    pub transcript: Transcript,
}

#[derive(Debug)]
struct Process {
    child: Child,
    pid: Pid,
    /// Becomes readable when the process ends; where there is none, ends are noticed by looking.
    pidfd: Option<OwnedFd>,
    stderr: Option<ChildStderr>,
    tail: Tail,
    exit: Option<ExitStatus>,
}

impl Subject {
    /// Starts every stage and connects them by kernel pipes, of whose inner ends the suite keeps none.
    pub fn start(stages: &[Stage], env: &BTreeMap<String, String>) -> io::Result<Subject> {
        let tmp = tempfile::Builder::new().prefix("faas-").tempdir()?;
        let (mut input, stdin) = launch::pipe()?;
        let mut processes = Vec::new();
        let mut stdout = None;
        for (n, stage) in stages.iter().enumerate() {
            let (read, write) = launch::pipe()?;
            let from = if n + 1 < stages.len() {
                std::mem::replace(&mut input, read)
            } else {
                stdout = Some(read);
                input.try_clone()?
            };
            let spawned = launch::spawn(stage, env, tmp.path(), from, Stdio::from(write));
            let child = match spawned {
                Ok(child) => child,
                Err(e) => {
                    kill_all(&mut processes, tmp.path());
                    return Err(e);
                }
            };
            processes.push(Process::new(child)?);
        }
        drop(input);
        nonblocking(&stdin)?;
        if let Some(stdout) = &stdout {
            nonblocking(stdout)?;
        }
        let started = Instant::now();
        Ok(Subject {
            stages: processes,
            stdin: Some(stdin),
            stdout,
            outbox: Outbox::default(),
            stalled: false,
            ended: false,
            received: 0,
            tmp,
            started,
            transcript: Transcript::new(started),
        })
    }

    /// Queues bytes for stdin as one write. It is made when stdin takes it, in later [`turn`](Self::turn)s;
    /// with `paced`, not before the subject has read everything that was written before it. `label`
    /// is what the bytes end, for the transcript.
    pub fn write(&mut self, bytes: Vec<u8>, paced: bool, label: Option<String>) {
        if self.stdin.is_some() {
            self.outbox.push(bytes, paced, label);
        }
    }

    /// Closes stdin once everything that was queued is written.
    pub fn close_stdin(&mut self) {
        self.outbox.close();
        self.flush_outbox();
    }

    /// Closes the suite's end of stdout.
    pub fn close_stdout(&mut self) {
        if self.stdout.take().is_some() {
            self.transcript.note("stdout closed by the suite");
        }
    }

    /// Stops or resumes reading stdout.
    pub fn stall(&mut self, stalled: bool) {
        if self.stalled != stalled {
            self.transcript.note(if stalled {
                "the suite stops reading stdout"
            } else {
                "the suite reads stdout again"
            });
        }
        self.stalled = stalled;
    }

    /// Whether stdout is stalled and its pipe can hold no more.
    pub fn stdout_full(&self) -> bool {
        let held = self
            .stdout
            .as_ref()
            .and_then(|fd| rustix::io::ioctl_fionread(fd).ok());
        held.is_some_and(|held| held >= 64 << 10)
    }

    /// Whether something that was queued for stdin is not written yet.
    pub fn writing(&self) -> bool {
        self.stdin.is_some() && !self.outbox.is_empty()
    }

    /// Whether stdout has ended.
    pub fn stdout_ended(&self) -> bool {
        self.ended || self.stdout.is_none()
    }

    /// How many bytes stdout gave.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Sends a signal to the process group of every stage, or of one (from 1).
    pub fn signal(&mut self, signal: Signal, name: &str, stage: Option<usize>) {
        let whom = stage.map_or(String::new(), |n| format!(" to stage {n}"));
        self.transcript.note(&format!("SIG{name}{whom}"));
        for (n, process) in self.stages.iter().enumerate() {
            if process.exit.is_none() && stage.is_none_or(|s| s == n + 1) {
                // The only failure is that it is gone already.
                let _ = kill_process_group(process.pid, signal);
            }
        }
    }

    /// How the subject ended, once every stage has: the leftmost failure other than SIGPIPE, else the
    /// last stage's status.
    pub fn exit(&self) -> Option<ExitStatus> {
        let exits: Option<Vec<ExitStatus>> = self.stages.iter().map(|p| p.exit).collect();
        let exits = exits?;
        let failed = exits
            .iter()
            .find(|e| !e.success() && e.signal() != Some(signal_hook::consts::SIGPIPE));
        failed.or(exits.last()).copied()
    }

    /// The first stage that has ended, from 1, and how; the others may run on.
    pub fn first_exit(&self) -> Option<(usize, ExitStatus)> {
        self.stages
            .iter()
            .enumerate()
            .find_map(|(n, p)| p.exit.map(|e| (n + 1, e)))
    }

    /// Whether it is a pipeline.
    pub fn is_pipeline(&self) -> bool {
        self.stages.len() > 1
    }

    /// Whether no stage can write to stderr any more.
    pub fn stderr_ended(&self) -> bool {
        self.stages.iter().all(|stage| stage.stderr.is_none())
    }

    /// The end of what the stages wrote to stderr, and how much it was in all.
    pub fn stderr(&self) -> (String, u64) {
        let text = self
            .stages
            .iter()
            .enumerate()
            .map(|(n, p)| match self.stages.len() {
                1 => p.tail.text(),
                _ => p
                    .tail
                    .text()
                    .lines()
                    .map(|line| format!("[stage {}] {line}\n", n + 1))
                    .collect(),
            });
        (
            text.collect(),
            self.stages.iter().map(|p| p.tail.total()).sum(),
        )
    }

    /// The first process.
    pub fn pid(&self) -> i32 {
        self.stages
            .first()
            .map_or(0, |p| p.pid.as_raw_nonzero().get())
    }

    /// Processes that outlived the stages, for the report.
    pub fn survivors(&self) -> Vec<String> {
        sweep::survivors(&self.pids(), self.tmp.path())
    }

    /// Time since the start.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until something happens, at most until `deadline`, and does what can be done: writes,
    /// reads stderr, notices ends. What stdout gave is appended to `out`.
    pub fn turn(&mut self, deadline: Instant, out: &mut Vec<u8>) -> io::Result<()> {
        self.wait_for_something(deadline)?;
        self.flush_outbox();
        for process in &mut self.stages {
            process.drain_stderr();
        }
        let all_ended = self.notice_ends();
        if !self.stalled {
            self.read_stdout(all_ended, out);
        }
        Ok(())
    }

    fn wait_for_something(&self, deadline: Instant) -> io::Result<()> {
        let mut wait = deadline.saturating_duration_since(Instant::now());
        let mut fds: Vec<(BorrowedFd<'_>, PollFlags)> = Vec::new();
        if let (Some(stdin), false) = (&self.stdin, self.outbox.is_empty()) {
            if self.outbox.may_write(stdin.as_fd()) {
                fds.push((stdin.as_fd(), PollFlags::OUT));
            } else {
                // The subject has not read the write before; no event tells when it does.
                wait = wait.min(Duration::from_micros(200));
            }
        }
        if let (Some(stdout), false, false) = (&self.stdout, self.stalled, self.ended) {
            fds.push((stdout.as_fd(), PollFlags::IN));
        }
        for process in &self.stages {
            if let Some(stderr) = &process.stderr {
                fds.push((stderr.as_fd(), PollFlags::IN));
            }
            match (&process.pidfd, process.exit) {
                (Some(pidfd), None) => fds.push((pidfd.as_fd(), PollFlags::IN)),
                (None, None) => wait = wait.min(Duration::from_millis(5)),
                _ => {}
            }
        }
        fds.extend(interrupt::fd().map(|fd| (fd, PollFlags::IN)));
        let mut fds: Vec<PollFd<'_>> = fds
            .iter()
            .map(|(fd, flags)| PollFd::new(fd, *flags))
            .collect();
        let timeout = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn flush_outbox(&mut self) {
        while let Some(stdin) = &self.stdin {
            match self.outbox.write_to(stdin.as_fd()) {
                Ok(Some(written)) => self
                    .transcript
                    .wrote(&written.bytes, written.label.as_deref()),
                Ok(None) if self.outbox.wants_close() => {
                    self.stdin = None;
                    self.transcript.note("stdin closed");
                }
                Ok(None) => return,
                Err(_) => {
                    // EPIPE: the subject reads no more. Whether that matters is the case's business.
                    self.stdin = None;
                    self.transcript.note("the subject has closed its stdin");
                }
            }
        }
    }

    fn notice_ends(&mut self) -> bool {
        let several = self.stages.len() > 1;
        let mut all = true;
        for (n, process) in self.stages.iter_mut().enumerate() {
            if process.exit.is_none()
                && let Ok(Some(exit)) = process.child.try_wait()
            {
                process.exit = Some(exit);
                let whom = if several {
                    format!("stage {}: ", n + 1)
                } else {
                    String::new()
                };
                self.transcript.note(&format!("{whom}{}", describe(exit)));
            }
            all &= process.exit.is_some();
        }
        all
    }

    fn read_stdout(&mut self, all_ended: bool, out: &mut Vec<u8>) {
        let Some(stdout) = &self.stdout else { return };
        let mut buffer = [0; READ];
        loop {
            match rustix::io::read(stdout, &mut buffer) {
                Ok(0) => {
                    if !self.ended {
                        self.transcript.note("stdout ended");
                    }
                    self.ended = true;
                    return;
                }
                Ok(n) => {
                    self.received += n as u64;
                    out.extend_from_slice(&buffer[..n]);
                    // Large output is decoded and judged piece by piece.
                    if out.len() >= 16 * READ {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // Empty. When all stages have ended, a process that keeps it open counts no more.
                Err(rustix::io::Errno::AGAIN) => {
                    self.ended |= all_ended;
                    return;
                }
                Err(_) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.stages.iter().map(|p| p.pid).collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        kill_all(&mut self.stages, self.tmp.path());
        open_folders(self.tmp.path());
    }
}

/// Lets the suite remove what is in a folder, though a subject has closed folders of it, as package
/// managers do with what they keep.
fn open_folders(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of the entry itself: what a link leads to is not the suite's.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700));
            open_folders(&entry.path());
        }
    }
}

fn kill_all(stages: &mut [Process], tmp: &Path) {
    let pids: Vec<Pid> = stages.iter().map(|p| p.pid).collect();
    for process in stages.iter_mut().filter(|p| p.exit.is_none()) {
        let _ = kill_process_group(process.pid, Signal::KILL);
        process.reap(Instant::now() + sweep::PATIENCE);
    }
    // What withstands SIGKILL for seconds (a process in uninterruptible sleep) is met again by the
    // sweep at the end of the run.
    sweep::kill_left(&pids, tmp);
}

impl Process {
    fn new(mut child: Child) -> io::Result<Process> {
        let pid = Pid::from_child(&child);
        let stderr = child.stderr.take();
        if let Some(stderr) = &stderr {
            nonblocking(stderr)?;
        }
        let pidfd = if cfg!(target_os = "linux") {
            pidfd_open(pid, PidfdFlags::empty()).ok()
        } else {
            None
        };
        Ok(Process {
            child,
            pid,
            pidfd,
            stderr,
            tail: Tail::default(),
            exit: None,
        })
    }

    /// Waits for the end of a process that was killed; not for ever, for the kernel may hold it.
    fn reap(&mut self, deadline: Instant) {
        while self.exit.is_none() && Instant::now() < deadline {
            self.exit = self.child.try_wait().ok().flatten();
            let tick = Timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            match &self.pidfd {
                _ if self.exit.is_some() => {}
                Some(pidfd) => drop(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&tick))),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn drain_stderr(&mut self) {
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        let mut buffer = [0; READ];
        // Bounded per turn, so that a flood can't keep the suite from its other work.
        for _ in 0..8 {
            match stderr.read(&mut buffer) {
                Ok(0) => {
                    self.stderr = None;
                    return;
                }
                Ok(n) => self.tail.push(&buffer[..n]),
                Err(_) => return,
            }
        }
    }
}

fn nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&fd)?;
    Ok(fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?)
}

/// How a process ended, in words.
pub fn describe(exit: ExitStatus) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => match signal_hook::low_level::signal_name(signal) {
            Some(name) => format!("was killed by {name}"),
            None => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}
