//! What a function should not be able to do, tried. None of it does harm where it is allowed.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(700);

/// One thing to try.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Attempt {
    /// Reads a file; `$TMPDIR` in a path is the instance's.
    Read(String),
    /// Lists a folder.
    List(String),
    /// Creates or extends a file, and leaves it.
    Write(String),
    /// Looks for a folder outside TMPDIR, down to three levels, in which a file can be created.
    WriteAnywhere,
    /// Writes so many bytes below TMPDIR, and removes them again.
    Fill(u64),
    /// Uses so many bytes of memory.
    Memory(usize),
    /// Starts so many processes at once.
    Processes(u32),
    /// Computes for so many milliseconds, on two processes.
    Compute(u64),
    /// Opens a TCP connection.
    Connect(SocketAddr),
    /// Listens on TCP and connects to itself by the address of another interface, if there is one.
    Listen,
    /// Sends a datagram.
    Udp(SocketAddr),
    /// Opens a raw socket.
    RawSocket,
    /// Connects to an abstract Unix socket.
    Abstract(String),
    /// Attaches a System V shared memory segment.
    SharedMemory(i32),
    /// Sends signal 0 to a process.
    Signal(i32),
    /// Traces a child.
    Trace,
    /// Attaches to a process, in order to trace it.
    TraceProcess(i32),
    /// Reads the memory of a process.
    ReadProcess(i32),
    /// Mounts a file system on TMPDIR.
    Mount,
    /// Creates a namespace: `user`, `mount`, `network`.
    Namespace(String),
    /// Creates a BPF map.
    Bpf,
    /// Asks for a key ring.
    KeyRing,
    /// Starts a program whose file has the set-user-ID bit.
    SetUid(String),
}

pub(crate) fn all(attempts: &[Attempt]) -> Value {
    attempts.iter().map(one).collect()
}

fn one(attempt: &Attempt) -> Value {
    let outcome = match attempt {
        Attempt::Read(path) => read(&place(path)),
        Attempt::List(path) => list(&place(path)),
        Attempt::Write(path) => write(&place(path)),
        Attempt::WriteAnywhere => write_anywhere(),
        Attempt::Fill(bytes) => fill(*bytes),
        Attempt::Memory(bytes) => memory(*bytes),
        Attempt::Processes(count) => processes(*count),
        Attempt::Compute(ms) => compute(Duration::from_millis(*ms)),
        Attempt::Connect(to) => TcpStream::connect_timeout(to, CONNECT).map(|_| json!({})),
        Attempt::Listen => listen(),
        Attempt::Udp(to) => udp(*to),
        Attempt::RawSocket => sys::raw_socket(),
        Attempt::Abstract(name) => sys::abstract_socket(name),
        Attempt::SharedMemory(key) => sys::shared_memory(*key),
        Attempt::Signal(pid) => sys::signal(*pid),
        Attempt::Trace => sys::in_child(sys::trace_me),
        Attempt::TraceProcess(pid) => sys::trace(*pid),
        Attempt::ReadProcess(pid) => read(Path::new(&format!("/proc/{pid}/environ"))),
        Attempt::Mount => sys::mount(&place("$TMPDIR")),
        Attempt::Namespace(kind) => {
            let kind = kind.clone();
            sys::in_child(move || sys::namespace(&kind))
        }
        Attempt::Bpf => sys::bpf(),
        Attempt::KeyRing => sys::key_ring(),
        Attempt::SetUid(program) => set_uid(program),
    };
    let mut told = match outcome {
        Ok(more) => {
            let mut told = json!({ "allowed": true });
            merge(&mut told, more);
            told
        }
        Err(e) => json!({ "allowed": false, "error": e.to_string() }),
    };
    told["attempt"] = format!("{attempt:?}").into();
    told
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn place(path: &str) -> PathBuf {
    let tmp = std::env::var("TMPDIR").unwrap_or_default();
    PathBuf::from(path.replace("$TMPDIR", &tmp))
}

fn read(path: &Path) -> io::Result<Value> {
    // What stands in it is nobody's business, and would end up in a report.
    let n = fs::File::open(path)?.read(&mut [0; 64])?;
    Ok(json!({ "bytes": n }))
}

fn list(path: &Path) -> io::Result<Value> {
    let names = fs::read_dir(path)?.flatten();
    let mut names: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(json!({ "entries": names }))
}

fn write(path: &Path) -> io::Result<Value> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(b"recorder\n")?;
    Ok(json!({}))
}

fn write_anywhere() -> io::Result<Value> {
    let tmp = place("$TMPDIR");
    let mut found = Vec::new();
    try_folder(Path::new("/"), 3, &tmp, &mut found);
    match found.is_empty() {
        true => Err(io::Error::other("no folder can be written to")),
        false => Ok(json!({ "folders": found })),
    }
}

fn try_folder(folder: &Path, levels: u32, tmp: &Path, found: &mut Vec<String>) {
    if folder == tmp || found.len() > 20 {
        return;
    }
    let file = folder.join(format!(".recorder-{}", std::process::id()));
    // Below /proc and /sys and on devices there is nothing to create; a file elsewhere is removed.
    if fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&file)
        .is_ok()
    {
        let _ = fs::remove_file(&file);
        found.push(folder.display().to_string());
    }
    let skipped = [Path::new("/proc"), Path::new("/sys")];
    if levels == 0 || skipped.contains(&folder) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            try_folder(&entry.path(), levels - 1, tmp, found);
        }
    }
}

fn fill(bytes: u64) -> io::Result<Value> {
    let path = place("$TMPDIR/filled");
    let mut file = fs::File::create(&path)?;
    let block = vec![b'x'; 1 << 16];
    let mut written = 0;
    let outcome = loop {
        if written >= bytes {
            break Ok(json!({ "bytes": written }));
        }
        match file.write(&block) {
            Ok(n) => written += n as u64,
            Err(e) => break Err(io::Error::other(format!("{e} after {written} bytes"))),
        }
    };
    drop(file);
    let _ = fs::remove_file(&path);
    outcome
}

fn memory(bytes: usize) -> io::Result<Value> {
    let mut held: Vec<u8> = Vec::new();
    held.try_reserve_exact(bytes).map_err(io::Error::other)?;
    // Memory counts when it is written to.
    held.resize(bytes, 1);
    let sum: u64 = held.iter().step_by(4096).map(|b| u64::from(*b)).sum();
    Ok(json!({ "pages": sum }))
}

fn processes(count: u32) -> io::Result<Value> {
    let mut children = Vec::new();
    let mut refused = None;
    for _ in 0..count {
        // SAFETY: the process has one thread; the child only waits to be killed.
        match unsafe { libc::fork() } {
            -1 => {
                refused = Some(io::Error::last_os_error());
                break;
            }
            0 => crate::process::hang(),
            child => children.push(child),
        }
    }
    for child in &children {
        // SAFETY: they are this process's own children, not reaped before.
        unsafe {
            libc::kill(*child, libc::SIGKILL);
            libc::waitpid(*child, std::ptr::null_mut(), 0);
        }
    }
    match refused {
        None => Ok(json!({ "processes": children.len() })),
        Some(e) => Err(io::Error::other(format!("{e} after {}", children.len()))),
    }
}

/// Processor time that two processes get.
fn compute(time: Duration) -> io::Result<Value> {
    let spin = |until: Instant| {
        let mut x = 0_u64;
        while Instant::now() < until {
            for n in 0..10_000_u64 {
                x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(n));
            }
        }
    };
    let begin = Instant::now();
    // SAFETY: the process has one thread; the child computes and ends.
    let child = unsafe { libc::fork() };
    spin(begin + time);
    if child == 0 {
        // SAFETY: ends the child without the parent's handlers.
        unsafe { libc::_exit(0) };
    }
    let mut used = 0;
    for who in [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN] {
        // SAFETY: zeroes are a value of this plain structure; the calls fill it, and the child is ours.
        unsafe {
            if who == libc::RUSAGE_CHILDREN && child > 0 {
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &mut usage);
            for part in [usage.ru_utime, usage.ru_stime] {
                used += part.tv_sec * 1000 + part.tv_usec / 1000;
            }
        }
    }
    Ok(json!({ "cpu-ms": used, "ms": begin.elapsed().as_millis() as u64 }))
}

/// Whether somebody else could connect: the connection is made by an address that is not loopback.
fn listen() -> io::Result<Value> {
    let listener = TcpListener::bind("0.0.0.0:0")?;
    let port = listener.local_addr()?.port();
    // Which address the kernel would use towards the outside; nothing is sent.
    let outside = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let own = outside.map_err(|e| io::Error::other(format!("listens, out of reach: {e}")))?;
    TcpStream::connect_timeout(&SocketAddr::new(own.ip(), port), CONNECT)?;
    Ok(json!({ "address": own.ip().to_string() }))
}

fn udp(to: SocketAddr) -> io::Result<Value> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(to)?;
    socket.send(b"recorder")?;
    Ok(json!({}))
}

fn set_uid(program: &str) -> io::Result<Value> {
    let mode = fs::metadata(program)?.permissions().mode();
    let output = std::process::Command::new(program)
        .arg("--init=[\"report\",{\"exit\":0}]")
        .env("FAAS_MODE", "binary")
        .stdin(std::process::Stdio::null())
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout).map_err(io::Error::other)?;
    let uid = report["identity"]["uid"].clone();
    // SAFETY: takes nothing.
    if uid == unsafe { libc::geteuid() } {
        return Err(io::Error::other("the program runs as the same user"));
    }
    Ok(json!({ "uid": uid, "mode": format!("{mode:o}") }))
}

/// Attempts that are system calls.
#[cfg(target_os = "linux")]
mod sys {
    use std::ffi::CString;
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::path::Path;

    use serde_json::{Value, json};

    fn checked(result: i64) -> io::Result<Value> {
        match result {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(json!({})),
        }
    }

    /// Closes what a call opened.
    fn opened(fd: i64) -> io::Result<Value> {
        let outcome = checked(fd);
        if fd >= 0 {
            // SAFETY: the descriptor was opened by the call before and is nobody else's.
            unsafe { libc::close(fd as i32) };
        }
        outcome
    }

    pub(super) fn raw_socket() -> io::Result<Value> {
        // SAFETY: takes numbers.
        opened(unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) }.into())
    }

    pub(super) fn abstract_socket(name: &str) -> io::Result<Value> {
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(|_| json!({}))
    }

    pub(super) fn shared_memory(key: i32) -> io::Result<Value> {
        // SAFETY: takes numbers; the segment is only looked up.
        checked(unsafe { libc::shmget(key, 1, 0) }.into())
    }

    pub(super) fn signal(pid: i32) -> io::Result<Value> {
        // SAFETY: signal 0 is only a question.
        checked(unsafe { libc::kill(pid, 0) }.into())
    }

    /// In a child, because it can't be undone. Its exit status is the error.
    pub(super) fn in_child(attempt: impl FnOnce() -> i64) -> io::Result<Value> {
        // SAFETY: the process has one thread; the child makes one call and ends.
        unsafe {
            match libc::fork() {
                -1 => Err(io::Error::last_os_error()),
                0 => {
                    let failed = attempt() == -1;
                    let error = io::Error::last_os_error().raw_os_error().unwrap_or(1);
                    libc::_exit(if failed { error } else { 0 })
                }
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &mut status, 0);
                    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
                        (true, 0) => Ok(json!({})),
                        (true, error) => Err(io::Error::from_raw_os_error(error)),
                        // The rule wants an error that a program can handle.
                        (false, _) => Ok(json!({ "killed": libc::WTERMSIG(status) })),
                    }
                }
            }
        }
    }

    pub(super) fn trace_me() -> i64 {
        // SAFETY: takes no memory.
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }
    }

    pub(super) fn trace(pid: i32) -> io::Result<Value> {
        // SAFETY: takes no memory. A process that could be seized is let go at once.
        unsafe {
            let outcome = checked(libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0));
            if outcome.is_ok() {
                libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0);
            }
            outcome
        }
    }

    pub(super) fn mount(at: &Path) -> io::Result<Value> {
        let at = CString::new(at.as_os_str().as_bytes())?;
        // SAFETY: strings that end with NUL and live as long as the call; undone at once.
        unsafe {
            let kind = c"tmpfs".as_ptr();
            let outcome = libc::mount(kind, at.as_ptr(), kind, 0, std::ptr::null());
            let outcome = checked(outcome.into());
            if outcome.is_ok() {
                libc::umount2(at.as_ptr(), libc::MNT_DETACH);
            }
            outcome
        }
    }

    pub(super) fn namespace(kind: &str) -> i64 {
        let flag = match kind {
            "user" => libc::CLONE_NEWUSER,
            "mount" => libc::CLONE_NEWNS,
            "network" => libc::CLONE_NEWNET,
            _ => crate::process::unusable(&format!("no namespace `{kind}`")),
        };
        // SAFETY: takes a number; concerns the calling process, which is a child that ends.
        unsafe { libc::unshare(flag) }.into()
    }

    pub(super) fn bpf() -> io::Result<Value> {
        // BPF_MAP_CREATE of an array: type 2, key of 4 bytes, value of 4 bytes, 1 entry.
        let mut attributes = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: the pointer and the size are those of the array.
        opened(unsafe {
            libc::syscall(
                libc::SYS_bpf,
                0,
                attributes.as_mut_ptr(),
                size_of_val(&attributes),
            )
        })
    }

    pub(super) fn key_ring() -> io::Result<Value> {
        // KEYCTL_GET_KEYRING_ID of the process's own ring, which is made if need be.
        // SAFETY: takes numbers.
        checked(unsafe { libc::syscall(libc::SYS_keyctl, 0, -2_i64, 1_i64) })
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::io;
    use std::path::Path;

    use serde_json::Value;

    fn no<T>() -> io::Result<T> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
    pub(super) fn raw_socket() -> io::Result<Value> {
        no()
    }
    pub(super) fn abstract_socket(_: &str) -> io::Result<Value> {
        no()
    }
    pub(super) fn shared_memory(_: i32) -> io::Result<Value> {
        no()
    }
    pub(super) fn signal(_: i32) -> io::Result<Value> {
        no()
    }
    pub(super) fn in_child(_: impl FnOnce() -> i64) -> io::Result<Value> {
        no()
    }
    pub(super) fn trace_me() -> i64 {
        -1
    }
    pub(super) fn trace(_: i32) -> io::Result<Value> {
        no()
    }
    pub(super) fn mount(_: &Path) -> io::Result<Value> {
        no()
    }
    pub(super) fn namespace(_: &str) -> i64 {
        -1
    }
    pub(super) fn bpf() -> io::Result<Value> {
        no()
    }
    pub(super) fn key_ring() -> io::Result<Value> {
        no()
    }
}
