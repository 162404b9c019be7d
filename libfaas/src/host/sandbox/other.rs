//! Sandboxes on Unix systems other than Linux: what every host does, and no level.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use super::tmpdir::TempDir;
use super::{Means, Missing, SandboxError, StartError};
use crate::Stage;
use crate::host::{Level, Revision, Settings};

#[derive(Debug)]
pub(super) struct Sandbox {
    folder: PathBuf,
    tmpdir: String,
    _dir: TempDir,
    stages: Mutex<Vec<Process>>,
}

#[derive(Clone, Debug)]
pub(super) struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pid: Pid,
    child: Mutex<Child>,
    /// Readable once the process has ended: only its thread holds the other end.
    ended: OwnedFd,
}

impl Sandbox {
    pub(super) fn probe(level: Level) -> Result<Means, Missing> {
        match level {
            Level::None => Ok(Means("own session, own environment".into())),
            level => Err(Missing {
                level,
                missing: "isolation is only implemented on Linux".into(),
                remedy: "run the host on Linux, or claim no level".into(),
            }),
        }
    }

    #[cfg(feature = "tokio")]
    pub(super) fn post(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new().spawn(job).map(drop)
    }

    pub(super) fn new(revision: &Revision, settings: &Settings) -> Result<Sandbox, SandboxError> {
        Self::probe(settings.level)?;
        let dir = TempDir::new().map_err(|e| SandboxError::step("make a folder for TMPDIR", e))?;
        let tmpdir = dir.path().to_string_lossy().into_owned();
        Ok(Sandbox {
            folder: revision.folder.clone(),
            tmpdir,
            _dir: dir,
            stages: Mutex::default(),
        })
    }

    pub(super) fn tmpdir(&self) -> &str {
        &self.tmpdir
    }

    pub(super) fn start(
        &self,
        stage: &Stage,
        vars: &BTreeMap<String, String>,
        stdio: [OwnedFd; 3],
    ) -> Result<Process, StartError> {
        let word = stage.command.first().map_or("", String::as_str);
        let program = match word.contains('/') {
            true => self.folder.join(word),
            false => PathBuf::from(word),
        };
        let [stdin, stdout, stderr] = stdio;
        let mut command = Command::new(program);
        command
            .arg0(word)
            .args(stage.command.iter().skip(1))
            .current_dir(&self.folder);
        command
            .env_clear()
            .envs(vars)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        // SAFETY: `setsid` is async-signal-safe and touches no memory of the parent.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
        }
        let refuse = |e: io::Error| StartError::Command {
            command: word.into(),
            why: e.to_string(),
        };
        let process = Process::new(command.spawn().map_err(refuse)?)
            .map_err(|e| SandboxError::step("watch the process", e))?;
        lock(&self.stages).push(process.clone());
        Ok(process)
    }

    pub(super) fn kill(&self) {
        for stage in lock(&self.stages).iter() {
            stage.signal(Signal::KILL);
        }
    }

    pub(super) fn memory_exceeded(&self) -> bool {
        false
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
        for stage in lock(&self.stages).iter() {
            let _ = lock(&stage.0.child).wait();
        }
    }
}

impl Process {
    fn new(child: Child) -> io::Result<Process> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process number"))?;
        let (ended, held) = rustix::pipe::pipe()?;
        for fd in [&ended, &held] {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
        }
        std::thread::Builder::new()
            .name("faas-wait".into())
            .spawn(move || {
                let options =
                    rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
                let _ = rustix::process::waitid(rustix::process::WaitId::Pid(pid), options);
                drop(held);
            })?;
        Ok(Process(Arc::new(Inner {
            pid,
            child: Mutex::new(child),
            ended,
        })))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn signal(&self, signal: Signal) {
        // Until it is reaped, which takes the lock, its number is its own.
        if let Ok(None) = lock(&self.0.child).try_wait() {
            let _ = kill_process_group(self.0.pid, signal);
        }
    }

    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        lock(&self.0.child).try_wait()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.ended.as_fd()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
