//! How a subject is started: its own session, its own TMPDIR, the contract's environment, nothing else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, Result};

/// One program of a subject; a function is one, a pipeline several.
#[derive(Clone, Debug)]
pub struct Stage {
    /// As the person or the manifest wrote it.
    pub argv: Vec<String>,
    /// The file that `argv[0]` names.
    pub program: PathBuf,
    /// Where it runs.
    pub cwd: PathBuf,
    /// What its manifest adds to the environment.
    pub env: BTreeMap<String, String>,
    /// Whether it is started as `nohup` and a careless parent would: with a signal ignored, another
    /// one blocked, core dumps on, and a umask that lets others read. What of that reaches a
    /// function of it, the runtime has let through.
    pub careless: bool,
}

impl Stage {
    /// Finds the program, so that a command that isn't there is found before anything starts.
    pub fn resolve(
        argv: Vec<String>,
        cwd: PathBuf,
        env: BTreeMap<String, String>,
    ) -> Result<Stage> {
        let name = argv.first().cloned().unwrap_or_default();
        let program = if name.contains('/') {
            runnable(&cwd.join(&name))
        } else {
            on_path(&name)
        };
        let program = program.map_err(|why| {
            let place = if name.contains('/') { format!("in {}", cwd.display()) } else { "in any folder of PATH".to_owned() };
            Error::not_judged(
                format!("the command `{name}` can't be started: {why} {place}"),
                "give the path of an executable file after `--` (or in the manifest), for example `-- python3 main.py`",
            )
        })?;
        Ok(Stage {
            argv,
            program,
            cwd,
            env,
            careless: false,
        })
    }
}

fn runnable(path: &Path) -> Result<PathBuf, &'static str> {
    match std::fs::metadata(path) {
        Err(_) => Err("there is no such file"),
        Ok(meta) if meta.is_dir() => Err("it is a folder, not a program,"),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            Err("the file is not executable (chmod +x)")
        }
        Ok(_) => Ok(path.to_owned()),
    }
}

fn on_path(name: &str) -> Result<PathBuf, &'static str> {
    if name.is_empty() {
        return Err("its name is empty; no such program");
    }
    std::env::split_paths(&path_variable())
        .map(|dir| dir.join(name))
        .find(|file| runnable(file).is_ok())
        .ok_or("there is no such program")
}

fn path_variable() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// Starts one stage. `env` is the whole of what the contract sets.
pub fn spawn(
    stage: &Stage,
    env: &BTreeMap<String, String>,
    tmp: &Path,
    stdin: impl Into<Stdio>,
    stdout: impl Into<Stdio>,
) -> io::Result<Child> {
    let mut command = Command::new(&stage.program);
    command
        .arg0(&stage.argv[0])
        .args(&stage.argv[1..])
        .current_dir(&stage.cwd);
    command.env_clear();
    // The person's PATH, because that is where they would find the program themselves; the rest of
    // their environment must not decide the verdict.
    command
        .env("PATH", path_variable())
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", tmp);
    command.envs(&stage.env).envs(env).env("TMPDIR", tmp);
    command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
    let careless = stage.careless;
    // SAFETY: `setsid` and what `be_careless` calls are async-signal-safe and touch no memory of the
    // parent.
    unsafe {
        command.pre_exec(move || {
            if careless {
                be_careless();
            }
            rustix::process::setsid().map(drop).map_err(io::Error::from)
        });
    }
    command.spawn()
}

/// See [`Stage::careless`].
fn be_careless() {
    // SAFETY: all of these are async-signal-safe; zeroes are a value of the plain structures, which
    // live as long as the calls. None can fail in a way that matters.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut mask);
        libc::sigaddset(&mut mask, libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, &mask, std::ptr::null_mut());
        let mut core: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_CORE, &mut core);
        core.rlim_cur = core.rlim_max;
        libc::setrlimit(libc::RLIMIT_CORE, &core);
        libc::umask(0o022);
    }
}

/// A kernel pipe: what to read from, what to write to.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Sets close-on-exec on whatever the suite itself inherited beyond stdio: no subject gets it.
pub fn seal_inherited() {
    let dir = if Path::new("/proc/self/fd").is_dir() {
        "/proc/self/fd"
    } else {
        "/dev/fd"
    };
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let fds: Vec<i32> = entries
        .flatten()
        .filter_map(|e| to_fd(&e.file_name()))
        .filter(|fd| *fd > 2)
        .collect();
    for fd in fds {
        // SAFETY: the number is only used for fcntl, which answers EBADF for one that is closed by
        // now (the folder's own); nothing is closed or kept.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        if let Ok(flags) = fcntl_getfd(fd) {
            let _ = fcntl_setfd(fd, flags | FdFlags::CLOEXEC);
        }
    }
}

fn to_fd(name: &OsStr) -> Option<i32> {
    name.to_str()?.parse().ok()
}
