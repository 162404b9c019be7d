//! What is told of a process that is to be started, and how its start failed.

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything about a process that is to be started.
#[derive(Debug)]
pub(in super::super) struct Plan {
    /// The files that the program may be, tried in turn as a shell tries the folders of PATH.
    pub(in super::super) programs: Vec<CString>,
    /// Instead of `programs`: an open file.
    pub(in super::super) image: Option<OwnedFd>,
    pub(in super::super) argv: Strings,
    pub(in super::super) envp: Strings,
    /// `CLONE_NEW…`: namespaces that it is the first of.
    pub(in super::super) namespaces: c_int,
    /// Where it runs.
    pub(in super::super) cwd: Option<CString>,
    /// Descriptors 0, 1 and 2. Their own numbers are above 2. None: not even those are open.
    pub(in super::super) stdio: Option<[OwnedFd; 3]>,
    /// The control groups that it joins.
    pub(in super::super) groups: Doors,
    /// A user namespace to enter.
    pub(in super::super) user_namespace: Option<OwnedFd>,
    /// Leads a session of its own; else only a process group.
    pub(in super::super) session: bool,
    pub(in super::super) umask: Option<u32>,
    /// Mounts `/proc` as its own PID namespace sees it, which nobody outside can do for it.
    pub(in super::super) mounts_proc: bool,
    /// Resource limits, soft and hard alike.
    pub(in super::super) limits: Vec<(c_int, u64)>,
    /// User and group, with no other groups.
    pub(in super::super) identity: Option<(u32, u32)>,
    pub(in super::super) capabilities: Capabilities,
    pub(in super::super) no_new_privileges: bool,
    pub(in super::super) signals: Signals,
    /// Dies when the thread that started it does, which has to live as long as the host.
    pub(in super::super) dies_with_thread: bool,
    /// Descriptors beyond 2: close all, or leave 3.
    pub(in super::super) descriptors: bool,
    /// A seccomp program.
    pub(in super::super) filter: Option<Arc<Vec<libc::sock_filter>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Capabilities {
    /// As the host has them.
    Keep,
    /// None, and none to be gained.
    Drop,
    /// None but some that outlive `execve`. Only a faulty host leaves any.
    LeaveSome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Signals {
    /// All at their default action, none blocked.
    Default,
    /// SIGCHLD ignored, so that the kernel reaps; all others at their default.
    Reaping,
    /// SIGPIPE ignored and SIGUSR1 blocked. Only a faulty host has this.
    Disturbed,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            programs: Vec::new(),
            image: None,
            namespaces: 0,
            argv: Strings::default(),
            envp: Strings::default(),
            cwd: None,
            stdio: None,
            groups: Doors::default(),
            user_namespace: None,
            session: true,
            umask: None,
            mounts_proc: false,
            limits: Vec::new(),
            identity: None,
            capabilities: Capabilities::Keep,
            no_new_privileges: false,
            signals: Signals::Default,
            dies_with_thread: false,
            descriptors: true,
            filter: None,
        }
    }
}

/// How a process comes into its control groups.
#[derive(Debug, Default)]
pub(in super::super) struct Doors {
    /// `tasks` of those of version 1. A process that moves itself alone, by this file, takes no
    /// lock that all forks wait for.
    pub(in super::super) tasks: Vec<OwnedFd>,
    /// Of the one of version 2, its folder and its `cgroup.procs`. Writing to the latter takes such
    /// a lock, ten milliseconds of it; to be born in the group takes none.
    pub(in super::super) unified: Option<(Arc<OwnedFd>, Arc<OwnedFd>)>,
    /// While it is there, somebody may come in.
    _counted: Option<Counted>,
}

/// Counts how often doors are opened and closed.
#[derive(Debug)]
struct Counted(Arc<AtomicU64>);

impl Doors {
    /// Doors that count when they are opened, and when they are closed.
    pub(in super::super) fn count(count: &Arc<AtomicU64>) -> Doors {
        count.fetch_add(1, Ordering::SeqCst);
        Doors {
            _counted: Some(Counted(Arc::clone(count))),
            ..Doors::default()
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Strings as `execve` takes them.
#[derive(Debug)]
pub(in super::super) struct Strings {
    /// What the pointers lead to: all of them, each with its NUL.
    _text: Box<[u8]>,
    pub(super) pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into the text that travels with them, which nobody changes.
unsafe impl Send for Strings {}

impl Strings {
    /// Each is made of parts.
    ///
    /// # Errors
    ///
    /// One contains a NUL character.
    pub(in super::super) fn new<'a, const N: usize>(
        strings: impl Iterator<Item = [&'a str; N]>,
    ) -> Result<Strings, String> {
        let (mut text, mut starts) = (Vec::with_capacity(1024), Vec::with_capacity(32));
        for string in strings {
            starts.push(text.len());
            for part in string {
                text.extend_from_slice(part.as_bytes());
            }
            text.push(0);
        }
        if memchr::memchr_iter(0, &text).count() != starts.len() {
            return Err(has_nul("an argument or a variable"));
        }
        let text = text.into_boxed_slice();
        let pointer = |start: usize| text[start..].as_ptr().cast();
        let pointers = starts.into_iter().map(pointer).chain([ptr::null()]);
        Ok(Strings {
            pointers: pointers.collect(),
            _text: text,
        })
    }
}

impl Default for Strings {
    fn default() -> Self {
        Strings {
            _text: Box::default(),
            pointers: vec![ptr::null()],
        }
    }
}

/// A step on the way to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    Clone,
    Group,
    UserNamespace,
    Session,
    Stdio,
    Signals,
    Limits,
    Proc,
    Identity,
    Capabilities,
    NoNewPrivileges,
    Folder,
    Descriptors,
    Filter,
    Execute,
}

impl Step {
    pub(in super::super) fn doing(self) -> &'static str {
        match self {
            Step::Clone => "create a process",
            Step::Group => "join a control group",
            Step::UserNamespace => "enter a user namespace",
            Step::Session => "lead a session",
            Step::Stdio => "set the descriptors 0, 1 and 2",
            Step::Signals => "reset the signals",
            Step::Limits => "set resource limits",
            Step::Proc => "mount /proc",
            Step::Identity => "change the user",
            Step::Capabilities => "drop capabilities",
            Step::NoNewPrivileges => "set no_new_privs",
            Step::Folder => "enter the function's folder",
            Step::Descriptors => "close descriptors",
            Step::Filter => "install the system call filter",
            Step::Execute => "execute the program",
        }
    }
}

/// Where a start failed, and with which error.
#[derive(Debug)]
pub(in super::super) struct Failed {
    pub(in super::super) step: Step,
    pub(in super::super) errno: i32,
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        io::Error::from_raw_os_error(failed.errno)
    }
}

/// A string without NUL, as the kernel takes it.
pub(in super::super) fn c_string(text: &[u8], what: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| has_nul(what))
}

fn has_nul(what: &str) -> String {
    format!("{what} contains a NUL character, which no program can be given")
}
