//! What the process was given, asked of the kernel by system calls where there may be no /proc.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

/// Descriptors that are looked at.
const DESCRIPTORS: i32 = 4096;

pub(crate) fn report() -> Value {
    json!({
        "arguments": std::env::args().collect::<Vec<_>>(),
        "environment": std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect::<BTreeMap<_, _>>(),
        "folder": std::env::current_dir().ok(),
        "descriptors": descriptors(),
        "signals": signals(),
        "limits": limits(),
        "umask": umask(),
        "identity": identity(),
        "session": session(),
        "processes": processes(),
        "devices": devices(),
        "tmpdir": tmpdir(),
        "now-ms": now_ms(),
    })
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_millis() as u64)
}

fn descriptors() -> Value {
    let open = |fd: &i32| {
        // SAFETY: these commands take a number and change nothing.
        unsafe { libc::fcntl(*fd, libc::F_GETFD) != -1 }
    };
    let all: Vec<i32> = (0..DESCRIPTORS).filter(open).collect();
    let nonblocking = |fd: &i32| {
        // SAFETY: as above.
        unsafe { libc::fcntl(*fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 }
    };
    let nonblocking: Vec<i32> = all.iter().copied().filter(nonblocking).collect();
    json!({ "open": all, "nonblocking": nonblocking })
}

fn signals() -> Value {
    let (mut ignored, mut caught, mut blocked) = (Vec::new(), Vec::new(), Vec::new());
    // SAFETY: the structures are plain data of the kernel's, for which zeroes are a value; the calls
    // only fill them.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
        // 32 and 33 are the C library's own.
        for signal in (1..=31).chain(34..=64) {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &mut action) == 0 {
                match action.sa_sigaction {
                    libc::SIG_DFL => {}
                    libc::SIG_IGN => ignored.push(signal),
                    _ => caught.push(signal),
                }
            }
            if libc::sigismember(&mask, signal) == 1 {
                blocked.push(signal);
            }
        }
    }
    json!({ "ignored": ignored, "caught": caught, "blocked": blocked })
}

fn limits() -> Value {
    let get = |which| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the call fills the structure.
        unsafe { libc::getrlimit(which, &mut limit) };
        match limit.rlim_cur {
            libc::RLIM_INFINITY => Value::Null,
            n => n.into(),
        }
    };
    json!({ "core": get(libc::RLIMIT_CORE), "nofile": get(libc::RLIMIT_NOFILE) })
}

fn umask() -> String {
    // SAFETY: the only way to ask is to set it; it is set back at once, and there is one thread.
    let mask = unsafe {
        let mask = libc::umask(0o077);
        libc::umask(mask);
        mask
    };
    format!("{mask:03o}")
}

#[cfg(target_os = "linux")]
fn identity() -> Value {
    // SAFETY: these calls take numbers and give numbers.
    let (uid, gid, no_new_privileges, dumpable) = unsafe {
        (
            libc::geteuid(),
            libc::getegid(),
            libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
            libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0),
        )
    };
    // Version 3, for this process; two sets of three 32-bit words each.
    let mut header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: the kernel fills the array, whose size belongs to that version.
    unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    json!({
        "uid": uid,
        "gid": gid,
        "no-new-privileges": no_new_privileges,
        "dumpable": dumpable,
        "capabilities": u64::from(sets[0]) | u64::from(sets[3]) << 32,
        "user-namespace-of-its-own": own_user_namespace(),
    })
}

/// Capabilities in a user namespace of one's own are no privilege outside.
#[cfg(target_os = "linux")]
fn own_user_namespace() -> Value {
    match fs::read_to_string("/proc/self/uid_map") {
        Ok(map) => {
            let words: Vec<&str> = map.split_whitespace().collect();
            (words != ["0", "0", "4294967295"]).into()
        }
        Err(_) => Value::Null,
    }
}

#[cfg(not(target_os = "linux"))]
fn identity() -> Value {
    // SAFETY: these calls take nothing.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    json!({ "uid": uid, "gid": gid })
}

fn session() -> Value {
    // SAFETY: these calls take numbers and give numbers.
    let (pid, sid, group) = unsafe { (libc::getpid(), libc::getsid(0), libc::getpgrp()) };
    let terminal = fs::File::open("/dev/tty").is_ok();
    json!({ "leader": pid == sid, "group-leader": pid == group, "pid": pid, "terminal": terminal })
}

/// The programs of the processes that can be seen. Not their arguments: those are nobody's business,
/// and would end up in a report.
fn processes() -> Value {
    let Ok(entries) = fs::read_dir("/proc") else {
        return json!([]);
    };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().bytes().all(|b| b.is_ascii_digit())
        })
        .map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
            Value::from(String::from_utf8_lossy(program))
        })
        .collect()
}

/// The names of device files.
fn devices() -> Value {
    use std::os::unix::fs::FileTypeExt;
    let Ok(entries) = fs::read_dir("/dev") else {
        return json!([]);
    };
    let is_device = |entry: &fs::DirEntry| {
        entry
            .file_type()
            .is_ok_and(|t| t.is_char_device() || t.is_block_device())
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(is_device)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into()
}

fn tmpdir() -> Value {
    let Some(path) = std::env::var_os("TMPDIR") else {
        return Value::Null;
    };
    match fs::read_dir(&path) {
        Ok(entries) => {
            let names: Vec<String> = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            json!({ "path": path.to_string_lossy(), "entries": names })
        }
        Err(e) => json!({ "path": path.to_string_lossy(), "error": e.to_string() }),
    }
}
