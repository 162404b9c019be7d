//! Level I2, and what a function might try to get out of it. Needs the superuser.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use libfaas::Code;
use libfaas::host::{Instance, Level, Measure, Measures, Sandbox};

use super::starting::ESCAPE;
use super::{Came, Run, finish, is_alive, lines};

/// Says why the tests of this file have nothing to say here.
fn possible() -> bool {
    match Sandbox::probe(Level::MultiTenant) {
        Ok(_) => true,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            false
        }
    }
}

fn isolated() -> Run {
    Run::at(Level::MultiTenant)
}

fn without(measure: Measure) -> Run {
    Run {
        measures: Measures::default().without(measure),
        ..isolated()
    }
}

/// What every attempt begins with: `tried(name, f)` prints the name of the error that f ends with.
const ATTEMPTS: &str = r#"
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, f):
    try:
        r = f()
        print(name, "done", r)
    except OSError as e:
        print(name, errno.errorcode.get(e.errno, e.errno))
def call(number, *args):
    r = libc.syscall(number, *args)
    if r < 0:
        raise OSError(ctypes.get_errno(), "")
    return r
"#;

fn attempts(run: &Run, program: &str) -> Came {
    run.python(&format!("{ATTEMPTS}{program}"))
}

/// Asserts that every line of the attempts is one of these errors.
#[track_caller]
fn all_fail(came: &Came, count: usize, allowed: &[&str]) {
    let seen = lines(came);
    assert_eq!(seen.len(), count, "{came:?}");
    for (name, result) in seen {
        assert!(allowed.contains(&result.as_str()), "{name}: {result}");
    }
}

#[test]
fn files_of_the_host_are_not_there() {
    if !possible() {
        return;
    }
    let secret = tempfile::tempdir().unwrap();
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(secret.path().join("secret"), "x").unwrap();
    let program = format!(
        r#"
for p in ("/etc/shadow", "/root", "/home", "/var", "/sys", "/boot", "/dev/kmsg", "/dev/mem", "/dev/vda", "/dev/shm",
          "/proc/kcore", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/keys", "/proc/meminfo", "{0}/secret",
          "/proc/1/root{0}/secret", "/proc/self/root/../..{0}/secret"):
    tried(p, lambda: os.stat(p))
"#,
        secret.path().display()
    );
    all_fail(&attempts(&isolated(), &program), 18, &["ENOENT"]);
    let shown = without(Measure::Files).command(&["cat", "/etc/hostname"]);
    assert!(
        shown.status.success(),
        "the measure is what hides it: {shown:?}"
    );
}

#[test]
fn the_function_sees_its_folder_though_only_its_owner_may() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "x").unwrap();
    fs::set_permissions(
        folder.path().join("data"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    fs::write(folder.path().join("run"), "#!/bin/sh\npwd; cat data; ls").unwrap();
    fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    let came = finish(isolated().start(folder.path(), &["./run"]).unwrap(), b"");
    assert_eq!(
        came.stdout,
        format!("{}\nxdata\nrun\n", folder.path().display()),
        "{came:?}"
    );
    // A folder that has taken the place of another at the same path is another.
    let path = folder.path().to_owned();
    fs::rename(&path, path.with_extension("old")).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("new"), "y").unwrap();
    let came = finish(isolated().start(&path, &["ls"]).unwrap(), b"");
    assert_eq!(came.stdout, "new\n", "{came:?}");
    fs::remove_dir_all(path.with_extension("old")).unwrap();
}

#[test]
fn nothing_can_be_written_but_tmpdir() {
    if !possible() {
        return;
    }
    let program = r#"
def write(p):
    def f():
        with open(p, "w") as file: file.write("x")
    return f
for p in ("/x", "x", "/etc/x", "/usr/x", "/usr/lib/x", "/dev/x", "/run/x", "/proc/x", "/proc/self/oom_score_adj", "/proc/1/mem", sys.executable):
    tried(p, write(p))
tried("chmod", lambda: os.chmod(".", 0o777))
tried("unlink", lambda: os.unlink("data"))
tried("mkdir", lambda: os.mkdir("/tmp/x"))
tried("mknod", lambda: os.mknod(os.environ["TMPDIR"] + "/sda", 0o60600, os.makedev(8, 0)))
"#;
    all_fail(
        &attempts(&isolated(), program),
        15,
        &["EROFS", "EACCES", "ENOENT", "EPERM"],
    );
    let came = attempts(
        &isolated(),
        "open(os.environ['TMPDIR'] + '/x', 'w').write('x'); print(os.listdir(os.environ['TMPDIR']))",
    );
    assert_eq!(came.stdout, "['x']\n");
    let came = attempts(&without(Measure::ReadOnly), "open('x', 'w').write('x')");
    assert!(came.status.success(), "{came:?}");
}

#[test]
fn tmpdir_is_empty_private_and_bounded() {
    if !possible() {
        return;
    }
    let program = r#"
tmp = os.environ["TMPDIR"]
print("before", len(os.listdir(tmp)))
def fill():
    with open(tmp + "/big", "wb") as f:
        for _ in range(64): f.write(bytes(1 << 20)); f.flush()
tried("fill", fill)
print("size", os.stat(tmp + "/big").st_size)
os.unlink(tmp + "/big")
def many():
    for n in range(1 << 20): os.close(os.open(f"{tmp}/{n}", os.O_CREAT | os.O_WRONLY))
tried("many", many)
"#;
    let run = isolated().with("limits: { tmp: 4Mi }");
    for _ in 0..2 {
        let seen = lines(&attempts(&run, program));
        assert_eq!(
            (
                seen["before"].as_str(),
                seen["fill"].as_str(),
                seen["many"].as_str()
            ),
            ("0", "ENOSPC", "ENOSPC")
        );
        assert!(seen["size"].parse::<u64>().unwrap() <= 4 << 20);
    }
}

#[test]
fn the_user_is_the_tenants_own_and_has_no_capabilities() {
    if !possible() {
        return;
    }
    let program = r#"
status = dict(l.rstrip("\n").split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
print("uid", *os.getresuid()); print("gid", *os.getresgid()); print("groups", len(os.getgroups()))
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"): print(name, int(status[name], 16))
"#;
    let user = |tenant| {
        let seen = lines(&attempts(
            &Run {
                tenant,
                ..isolated()
            },
            program,
        ));
        for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "groups"] {
            assert_eq!(seen[name], "0", "{name}");
        }
        let ids: Vec<u32> = seen["uid"]
            .split(' ')
            .map(|id| id.parse().unwrap())
            .collect();
        assert!(ids[0] >= 0x7000_0000 && ids.iter().all(|&id| id == ids[0]));
        assert_eq!(seen["uid"], seen["gid"]);
        ids[0]
    };
    assert_eq!(user("acme"), user("acme"));
    assert_ne!(user("acme"), user("globex"));
    let seen = lines(&attempts(&without(Measure::Capabilities), program));
    assert_ne!(seen["CapEff"], "0");
}

#[test]
fn a_set_uid_program_gives_nothing() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("id");
    fs::copy("/usr/bin/id", &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    for measure in [None, Some(Measure::NoNewPrivileges)] {
        // Each of the two, no_new_privs and nosuid, is enough.
        let measures = measure.map_or(Measures::default(), |m| Measures::default().without(m));
        let came = finish(
            Run {
                measures,
                ..isolated()
            }
            .start(folder.path(), &["./id", "-u"])
            .unwrap(),
            b"",
        );
        assert!(
            came.stdout.trim().parse::<u32>().unwrap() >= 0x7000_0000,
            "{came:?}"
        );
    }
}

#[test]
fn processes_of_others_are_neither_seen_nor_reached() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let other = isolated().start(folder.path(), &["sleep", "60"]).unwrap();
    let victim = other.processes[0].pid();
    let program = format!(
        r#"
pids = sorted(int(n) for n in os.listdir("/proc") if n.isdigit())
print("pids", *pids)
tried("signal", lambda: os.kill({victim}, 0))
tried("session", lambda: os.kill(-{victim}, 15))
tried("host", lambda: os.kill({}, 0))
tried("ptrace", lambda: call(101, 16, {victim}, 0, 0))
tried("ptrace-init", lambda: call(101, 16, 1, 0, 0))
tried("vm-read", lambda: call(310, {victim}, 0, 0, 0, 0, 0))
tried("pidfd", lambda: call(434, {victim}, 0))
tried("everybody", lambda: os.kill(-1, 15))
tried("init", lambda: os.kill(1, 9))
"#,
        std::process::id()
    );
    let came = attempts(&isolated(), &program);
    let seen = lines(&came);
    assert_eq!(
        seen["pids"], "1 2",
        "its own, and the one that holds its namespaces"
    );
    for name in ["signal", "session", "host", "pidfd"] {
        assert_eq!(seen[name], "ESRCH", "{name}");
    }
    for name in ["ptrace", "ptrace-init", "vm-read"] {
        assert_eq!(seen[name], "EPERM", "{name}");
    }
    assert!(is_alive(victim as i32));
    let program = format!("tried('signal', lambda: os.kill({victim}, 0))");
    let seen = lines(&attempts(&without(Measure::Signal), &program));
    assert!(seen["signal"].starts_with("done"), "{seen:?}");
}

#[test]
fn system_calls_are_refused_with_an_error() {
    if !possible() {
        return;
    }
    // x86-64's numbers.
    let program = r#"
NEW = dict(ns=0x20000, cgroup=0x2000000, uts=0x4000000, ipc=0x8000000, user=0x10000000, pid=0x20000000, net=0x40000000)
tried("mount", lambda: call(165, b"a", b"/tmp", b"tmpfs", 0, 0))
tried("umount", lambda: call(166, b"/proc", 2))
tried("fsopen", lambda: call(430, b"tmpfs", 0))
tried("open-tree", lambda: call(428, -100, b"/", 1))
tried("pivot-root", lambda: call(155, b".", b"."))
tried("chroot", lambda: os.chroot("."))
tried("ptrace", lambda: call(101, 0, 0, 0, 0))
tried("bpf", lambda: call(321, 0, 0, 0))
tried("keyctl", lambda: call(250, 0, -3, 1))
tried("add-key", lambda: call(248, b"user", b"a", b"b", 1, -2))
tried("request-key", lambda: call(249, b"user", b"a", 0, -2))
tried("setns", lambda: call(308, 0, 0))
tried("perf", lambda: call(298, 0, 0, -1, -1, 0))
tried("userfaultfd", lambda: call(323, 0))
tried("io-uring", lambda: call(425, 8, 0))
tried("handle", lambda: call(304, 0, 0, 0))
tried("module", lambda: call(175, 0, 0, 0))
tried("kexec", lambda: call(246, 0, 0, 0, 0))
tried("reboot", lambda: call(169, 0, 0, 0, 0))
for name, flag in NEW.items():
    tried("unshare-" + name, lambda: call(272, flag))
    tried("clone-" + name, lambda: call(56, flag | 17, 0, 0, 0, 0))
tried("tiocsti", lambda: call(16, 0, 0x5412, b"x"))
"#;
    let came = attempts(&isolated(), program);
    all_fail(&came, 34, &["EPERM"]);
    let program = "tried('clone3', lambda: call(435, 0, 0))\ntried('newer', lambda: call(467, 0, 0))\ntried('x32', lambda: call(0x40000000 + 165, 0, 0))";
    all_fail(&attempts(&isolated(), program), 3, &["ENOSYS"]);
    let seen = lines(&attempts(
        &without(Measure::SystemCalls),
        "tried('user', lambda: call(272, 0x10000000))",
    ));
    assert!(seen["user"].starts_with("done"), "{seen:?}");
}

#[test]
fn programs_run_that_use_threads_processes_and_temporary_files() {
    if !possible() {
        return;
    }
    let program = r#"
import concurrent.futures, subprocess, tempfile, threading, asyncio, sqlite3, ssl, locale, pwd
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(lambda n: n * n, range(10))))
print(subprocess.run(["sh", "-c", "echo $((6*7)) | cat"], capture_output=True, text=True).stdout.strip())
with tempfile.NamedTemporaryFile() as f: f.write(b"x")
async def main(): return (await (await asyncio.create_subprocess_exec("true")).wait())
print(asyncio.run(main()), pwd.getpwuid(os.getuid()).pw_name, len(ssl.create_default_context().get_ca_certs()) >= 0)
"#;
    let came = attempts(&isolated(), program);
    assert_eq!(came.stdout, "285\n42\n0 function True\n", "{came:?}");
}

#[test]
fn without_a_network_there_is_none() {
    if !possible() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = format!(
        r#"
S = socket.socket
tried("tcp", lambda: S().connect(("127.0.0.1", {port})))
tried("tcp6", lambda: S(socket.AF_INET6).connect(("::1", {port})))
tried("udp", lambda: S(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
tried("raw", lambda: S(type=socket.SOCK_RAW, proto=1))
tried("packet", lambda: S(17, socket.SOCK_RAW))
tried("netlink", lambda: S(16, socket.SOCK_RAW))
tried("vsock", lambda: S(40, socket.SOCK_STREAM))
tried("listen", lambda: S().listen())
tried("metadata", lambda: S().connect(("169.254.169.254", 80)))
"#
    );
    all_fail(&attempts(&isolated(), &program), 9, &["EPERM"]);
    // The network namespace alone is enough, too.
    let seen = lines(&attempts(&without(Measure::SystemCalls), &program));
    assert!(seen["tcp"] != "done None", "{seen:?}");
    let seen = lines(&attempts(&without(Measure::NetworkNone), &program));
    assert!(seen["tcp"].starts_with("done"), "{seen:?}");
}

#[test]
fn nothing_is_shared_between_two_instances() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = format!(
        r#"{ATTEMPTS}
s = socket.socket(socket.AF_UNIX); s.bind("\0meet"); s.listen()
print(call(29, 42, 100, 0o1666), call(68, 42, 0o1666), call(64, 42, 1, 0o1666), call(240, b"meet", 0o102, 0o666, 0) >= 0, flush=True)
sys.stdin.read()
"#
    );
    let other = isolated()
        .start(folder.path(), &["python3", "-c", &program])
        .unwrap();
    let mut text = [0; 64];
    assert!(rustix::io::read(&other.stdout, &mut text).unwrap() > 0);
    let program = r#"
tried("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0meet"))
tried("memory", lambda: call(29, 42, 100, 0))
tried("messages", lambda: call(68, 42, 0))
tried("semaphores", lambda: call(64, 42, 1, 0))
tried("queue", lambda: call(240, b"meet", 2, 0, 0))
"#;
    let came = attempts(&isolated(), program);
    all_fail(&came, 5, &["ENOENT", "ECONNREFUSED"]);
    // Its ipc namespace is what does it for the four of them.
    let both = without(Measure::Ipc);
    let seen = lines(&attempts(
        &both,
        "print('made', call(29, 4242, 100, 0o1666))",
    ));
    assert!(seen.contains_key("made"));
    let seen = lines(&attempts(
        &both,
        "tried('memory', lambda: call(29, 4242, 100, 0)); call(31, call(29, 4242, 100, 0), 0, 0)",
    ));
    assert!(seen["memory"].starts_with("done"), "{seen:?}");
    drop(other);
}

#[test]
fn memory_pids_and_cpu_are_bounded() {
    if !possible() {
        return;
    }
    let run = isolated().with("limits: { memory: 64Mi, pids: 12, cpu: 200m, tmp: 1Gi }");
    let came = attempts(
        &run,
        "b = bytearray(1 << 20)\nwhile True: b += bytes(1 << 20)",
    );
    assert!(
        came.memory_exceeded && came.status.signal() == Some(9),
        "{came:?}"
    );
    // What is in TMPDIR is in memory.
    let came = attempts(
        &run,
        "f = open(os.environ['TMPDIR'] + '/x', 'wb')\nwhile True: f.write(bytes(1 << 20))",
    );
    assert!(came.memory_exceeded, "{came:?}");
    let bomb = "n = 1\ntry:\n    while n < 99:\n        if os.fork() == 0: os.read(0, 1); os._exit(0)\n        n += 1\nexcept OSError as e: print('count', n)";
    let seen = lines(&attempts(&run, bomb));
    assert_eq!(seen["count"], "12");
    let spin = "import time\nt = time.monotonic()\nwhile time.monotonic() - t < 2: pass\nprint('used', int(1000 * time.process_time() / 2))";
    let used: u64 = lines(&attempts(&run, spin))["used"].parse().unwrap();
    assert!(used < 300, "{used} thousandths of a core, of 200 allowed");
}

#[test]
fn a_fork_bomb_dies_with_its_instance() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bomb = "import os, sys\nprint('x', flush=True)\nwhile True:\n    try: os.fork(); os.setsid()\n    except OSError: pass";
    let run = isolated().with("limits: { pids: 20 }");
    let instance = run.start(folder.path(), &["python3", "-c", bomb]).unwrap();
    let mut byte = [0];
    rustix::io::read(&instance.stdout, &mut byte).unwrap();
    let Instance {
        sandbox, stdout, ..
    } = instance;
    drop(sandbox);
    // All who could write are gone.
    let mut rest = [0; 64];
    assert!(rustix::io::read(&stdout, &mut rest).unwrap() < 64);
    assert_eq!(rustix::io::read(&stdout, &mut rest).unwrap(), 0);
}

#[test]
fn a_detached_grandchild_dies_with_the_instance() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Its number inside is not the host's: the pipe that it holds tells when it is gone.
    let mut instance = isolated()
        .start(folder.path(), &["python3", "-c", ESCAPE])
        .unwrap();
    instance.processes[0].wait().unwrap();
    let Instance {
        sandbox, stdout, ..
    } = instance;
    drop(sandbox);
    let mut text = [0; 64];
    assert!(rustix::io::read(&stdout, &mut text).unwrap() > 0);
    assert_eq!(rustix::io::read(&stdout, &mut text).unwrap(), 0);
}

#[test]
fn orphans_are_reaped_inside() {
    if !possible() {
        return;
    }
    let program = r#"
import time
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
for _ in range(1000):
    left = [n for n in os.listdir("/proc") if n.isdigit()]
    if len(left) == 2: break
    time.sleep(0.001)
print("left", len(left))
"#;
    assert_eq!(lines(&attempts(&isolated(), program))["left"], "2");
}

#[test]
fn stages_of_a_pipeline_share_their_surroundings() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let line = "pipeline:\n  - command: [sh, -c, 'echo x > $TMPDIR/x; readlink /proc/self/ns/mnt /proc/self/ns/pid; exec cat']\n  - command: [sh, -c, 'readlink /proc/self/ns/mnt /proc/self/ns/pid; cat; cat $TMPDIR/x']";
    let came = finish(isolated().start_as(folder.path(), line).unwrap(), b"end\n");
    let words: Vec<&str> = came.stdout.lines().collect();
    assert_eq!(words.len(), 6, "{came:?}");
    assert_eq!((words[0], words[1]), (words[2], words[3]));
    assert_eq!((words[4], words[5]), ("end", "x"));
}

#[test]
fn a_signal_ends_it_as_it_would_outside() {
    if !possible() {
        return;
    }
    // As process 1 of its namespace a function would not die of SIGTERM.
    let came = isolated().command(&["sh", "-c", "kill -TERM $$; echo survived"]);
    assert_eq!((came.status.signal(), came.stdout.as_str()), (Some(15), ""));
    let came = isolated().command(&["sh", "-c", "exit 143"]);
    assert_eq!(came.status.code(), Some(143));
}

#[test]
fn a_folder_that_would_hide_the_system_is_refused() {
    if !possible() {
        return;
    }
    for folder in ["/", "/proc", "/dev"] {
        let status = isolated().start(Path::new(folder), &["true"]).unwrap_err();
        assert_eq!(status.code, Code::FailedPrecondition, "{folder}");
    }
}

#[test]
fn what_hygiene_promises_holds_here_too() {
    if !possible() {
        return;
    }
    let seen = lines(&isolated().python(super::hygiene::LOOK));
    for (name, value) in [
        ("fds", "0 1 2"),
        ("blocked", "0"),
        ("ignored", "0"),
        ("session", "True True"),
        ("umask", "0o77"),
        ("privileges", "1"),
        ("core", "0 0"),
        ("tty", "no"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    // The process that holds the namespaces has nothing of the host's open.
    // Until that has begun to run, which on a busy machine takes a moment, its folder is not ours.
    let look =
        "for n in $(seq 1000); do ls /proc/1/fd 2> /dev/null && exit; sleep 0.02; done; exit 1";
    let came = isolated().command(&["sh", "-c", look]);
    assert!(came.status.success() && came.stdout.is_empty(), "{came:?}");
}

/// An address of this host that is neither loopback nor link-local, if it has one.
fn own_address() -> Option<std::net::IpAddr> {
    // Nothing is sent: connecting a datagram socket only chooses an address.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn outbound_tcp_is_that_and_no_more() {
    if !possible() {
        return;
    }
    let run = |measures| {
        Run {
            measures,
            ..isolated()
        }
        .with("network: outbound-tcp")
    };
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reached = own_address().map(|ip| {
        let came = attempts(
            &run(Measures::default()),
            &format!("tried('tcp', lambda: socket.create_connection(('{ip}', {port})))"),
        );
        assert!(lines(&came)["tcp"].starts_with("done"), "{came:?}");
    });
    if reached.is_none() {
        eprintln!("skipped in part: this machine has no address but loopback");
    }
    let program = format!(
        r#"
S, INET6 = socket.socket, socket.AF_INET6
for a in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "169.254.169.254", "169.254.1.1"):
    tried("tcp-" + a, lambda: S().connect((a, {port})))
    tried("mapped-" + a, lambda: S(INET6).connect(("::ffff:" + a, {port})))
    tried("fast-" + a, lambda: S().sendto(b"x", 0x20000000, (a, {port})))
for a in ("::1", "::", "fe80::1", "fd00:ec2::254"):
    tried("tcp-" + a, lambda: S(INET6).connect((a, {port}, 0, 1 if a.startswith("fe80") else 0)))
tried("udp", lambda: S(type=socket.SOCK_DGRAM))
tried("udp6", lambda: S(INET6, socket.SOCK_DGRAM))
tried("raw", lambda: S(type=socket.SOCK_RAW, proto=1))
tried("packet", lambda: S(17, socket.SOCK_RAW))
tried("netlink", lambda: S(16, socket.SOCK_RAW))
tried("mptcp", lambda: S(proto=262))
tried("sctp", lambda: S(proto=132))
tried("unix", lambda: S(socket.AF_UNIX))
def listening():
    s = S(); s.bind(("0.0.0.0", 0)); s.listen()
tried("listen", listening)
tried("listen-unbound", lambda: S().listen())
tried("source-route", lambda: S().setsockopt(0, 4, b"\x83\x07\x04\x7f\0\0\x01\0"))
"#
    );
    all_fail(
        &attempts(&run(Measures::default()), &program),
        30,
        &["EPERM"],
    );
    let left_out = [
        (Measure::PrivateAddresses, "tcp-127.0.0.1"),
        (Measure::TcpOnly, "udp"),
        (Measure::Listen, "listen"),
    ];
    for (measure, what) in left_out {
        let seen = lines(&attempts(
            &run(Measures::default().without(measure)),
            &program,
        ));
        assert!(seen[what].starts_with("done"), "{measure:?}: {seen:?}");
    }
}
