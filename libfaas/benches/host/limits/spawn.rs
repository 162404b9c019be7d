//! A program that lives for one event: started, given its input, and read until its end.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::time::{Duration, Instant};

use crate::comparison::median;

/// A started program: the other ends of its streams, and what is left to be done after its reply.
pub(crate) struct Running {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    /// Waits until nothing is left of it.
    pub(crate) finish: Box<dyn FnOnce()>,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// All of the reply has been read.
    Reply,
    /// Nothing is left of the program.
    Gone,
}

/// One run after the other, each with the same input.
pub(crate) fn runs(
    mut start: impl FnMut() -> Running + 'static,
    input: Vec<u8>,
    until: Until,
) -> impl FnMut(Duration) -> f64 {
    move |turn| {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < turn || times.len() < 3 {
            times.push(run(&mut start, &input, until));
        }
        median(&times)
    }
}

/// Events per second, of which each has a program of its own.
pub(crate) fn runs_per_second(
    mut start: impl FnMut() -> Running + 'static,
    input: Vec<u8>,
) -> impl FnMut(Duration) -> f64 {
    move |turn| {
        super::clock::rate(turn, || {
            run(&mut start, &input, Until::Gone);
            1
        })
    }
}

fn run(start: &mut impl FnMut() -> Running, input: &[u8], until: Until) -> f64 {
    let begin = Instant::now();
    let Running {
        stdin,
        stdout,
        finish,
    } = start();
    let mut stdin = File::from(stdin);
    stdin.write_all(input).expect("the program reads");
    drop(stdin);
    let mut reply = [0; 2048];
    let mut held = 0;
    let mut stdout = File::from(stdout);
    loop {
        match stdout.read(&mut reply[held..]).expect("a pipe") {
            0 => break,
            count => held += count,
        }
    }
    assert_eq!(held, input.len(), "what was written comes back");
    let replied = begin.elapsed();
    finish();
    match until {
        Until::Reply => replied,
        Until::Gone => begin.elapsed(),
    }
    .as_secs_f64()
}

/// The function that writes what it reads, linked statically by the system's C compiler: its folder.
/// The file in it is `copy`.
pub(crate) fn static_copy() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = this.with_extension("function");
    let program = folder.join("copy");
    if program.exists() {
        return Ok(folder);
    }
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let source = folder.join("copy.c");
    fs::write(&source, include_str!("../copy.c")).map_err(failed)?;
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-static", "-o"])
        .arg(&program)
        .arg(&source);
    match compiler.output() {
        Ok(output) if output.status.success() => Ok(folder),
        Ok(output) => Err(format!(
            "cc can't link a static program: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("needs a C compiler: cc: {error}")),
    }
}

/// Two pipes: the program's ends, then ours.
fn pipes() -> [OwnedFd; 4] {
    let (stdin, into) = io::pipe().expect("a pipe");
    let (out_of, stdout) = io::pipe().expect("a pipe");
    [stdin.into(), stdout.into(), into.into(), out_of.into()]
}

fn reap(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: writes the status to a local variable.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0, "how the program ended");
}

fn c_string(text: impl AsRef<OsStr>) -> CString {
    CString::new(text.as_ref().as_bytes()).expect("a path without NUL")
}

/// `posix_spawn` and nothing else.
pub(crate) fn posix_spawn(program: &Path) -> impl FnMut() -> Running + 'static {
    let program = c_string(program);
    move || {
        let [stdin, stdout, into, out_of] = pipes();
        let mut actions: libc::posix_spawn_file_actions_t = unsafe_zeroed();
        let mut pid = 0;
        let mut argv = [program.as_ptr().cast_mut(), ptr::null_mut()];
        let env = [ptr::null_mut()];
        // SAFETY: all pointers are to local variables, of which those that need it are initialised
        // by the first call; the descriptors are open.
        let result = unsafe {
            libc::posix_spawn_file_actions_init(&raw mut actions);
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, stdin.as_raw_fd(), 0);
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, stdout.as_raw_fd(), 1);
            let result = libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions,
                ptr::null(),
                argv.as_mut_ptr(),
                env.as_ptr(),
            );
            libc::posix_spawn_file_actions_destroy(&raw mut actions);
            result
        };
        assert_eq!(result, 0, "posix_spawn");
        Running {
            stdin: into,
            stdout: out_of,
            finish: Box::new(move || reap(pid)),
        }
    }
}

fn unsafe_zeroed() -> libc::posix_spawn_file_actions_t {
    // SAFETY: plain memory that `posix_spawn_file_actions_init` is to initialise.
    unsafe { std::mem::zeroed() }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{clone_namespaces, command, enter};

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CString, c_int, c_void};
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::ptr;

    use super::{Running, c_string, pipes, reap};

    struct Exec {
        program: CString,
        stdin: c_int,
        stdout: c_int,
    }

    /// What no isolated start can do without: a process in new namespaces, a `/proc` and a file
    /// system for temporary files of its own, the program.
    pub(crate) fn clone_namespaces(program: &Path) -> impl FnMut() -> Running + 'static {
        let program = c_string(program);
        let mut stack = vec![0u128; 4096];
        move || {
            let [stdin, stdout, into, out_of] = pipes();
            let exec = Exec {
                program: program.clone(),
                stdin: stdin.as_raw_fd(),
                stdout: stdout.as_raw_fd(),
            };
            let spaces = libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWCGROUP;
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | spaces;
            // SAFETY: the child uses a stack of its own and `exec`, both of which outlive it, and
            // calls nothing but the kernel.
            let pid = unsafe {
                libc::clone(
                    child,
                    stack.as_mut_ptr().add(stack.len()).cast(),
                    flags,
                    ptr::from_ref(&exec).cast_mut().cast(),
                )
            };
            assert!(pid > 0, "clone: {}", std::io::Error::last_os_error());
            Running {
                stdin: into,
                stdout: out_of,
                finish: Box::new(move || reap(pid)),
            }
        }
    }

    extern "C" fn child(exec: *mut c_void) -> c_int {
        // SAFETY: `clone_namespaces` passes this and waits. All strings are constants or live in it.
        unsafe {
            let exec = &*exec.cast::<Exec>();
            let none = ptr::null::<c_void>();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), private, none);
            libc::mount(c"t".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, none);
            libc::mount(c"p".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, none);
            libc::dup2(exec.stdin, 0);
            libc::dup2(exec.stdout, 1);
            let argv = [exec.program.as_ptr(), ptr::null()];
            libc::execve(argv[0], argv.as_ptr(), &raw const argv[1]);
            libc::_exit(127)
        }
    }

    /// Has a command start in a mount namespace, which has to outlive its start.
    pub(crate) fn enter(command: &mut Command, view: Option<&File>) {
        let Some(fd) = view.map(File::as_raw_fd) else {
            return;
        };
        // SAFETY: takes numbers, of which one is an open descriptor.
        let enter = move || match unsafe { libc::setns(fd, libc::CLONE_NEWNS) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        };
        // SAFETY: one system call on a descriptor.
        unsafe { command.pre_exec(enter) };
    }

    /// Somebody else's command, in another mount namespace if one is given.
    pub(crate) fn command(
        argv: Vec<String>,
        view: Option<File>,
    ) -> impl FnMut() -> Running + 'static {
        move || {
            let mut command = Command::new(&argv[0]);
            command
                .args(&argv[1..])
                .env_clear()
                .env("PATH", "/usr/bin:/bin");
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            enter(&mut command, view.as_ref());
            let mut child = command.spawn().expect("it was tried before");
            Running {
                stdin: child.stdin.take().expect("a pipe").into(),
                stdout: child.stdout.take().expect("a pipe").into(),
                finish: Box::new(move || {
                    assert!(child.wait().expect("its end").success(), "how it ended");
                }),
            }
        }
    }
}
