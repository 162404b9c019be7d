//! What a start costs at each level, as ratios to a bare spawn and to others' tools in one run.
//!
//! `cargo bench -p libfaas --bench start [-- ROUNDS [PROGRAM]]`; rows whose tool or
//! privilege is missing are left out. Each figure is the median, from the start to the program's
//! exit being known; the rounds of all rows alternate, so that what disturbs one disturbs all.

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("isolation is only implemented on Linux: nothing to compare");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CString, c_int, c_void};
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::ptr;
    use std::time::{Duration, Instant};

    use libfaas::host::{Level, Revision, Sandbox, Settings, start};
    use libfaas::{Context, Event, Manifest};

    struct Row {
        name: &'static str,
        /// Runs the program once; the time to its exit, and until nothing is left of it.
        run: Box<dyn FnMut() -> (Duration, Duration)>,
        exit: Vec<Duration>,
        gone: Vec<Duration>,
    }

    pub(super) fn main() {
        // cargo adds `--bench`.
        let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
        let rounds: usize = arguments
            .next()
            .map_or(200, |n| n.parse().expect("a number of rounds"));
        let program = arguments.next().unwrap_or_else(|| "/bin/true".into());
        let dir = tempfile::tempdir().unwrap();
        let mut rows = rows(&program, dir.path());
        for round in 0..rounds + 5 {
            for row in &mut rows {
                let (exit, gone) = (row.run)();
                // The first ones find nothing prepared and cold caches.
                if round >= 5 {
                    row.exit.push(exit);
                    row.gone.push(gone);
                }
            }
        }
        let middle = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        println!("{rounds} rounds of {program}");
        let [a, b, c, d, e] = ["", "least", "to exit", "and gone", "× bare"];
        println!("{a:<32} {b:>9} {c:>9} {d:>9} {e:>7}");
        let bare = middle(&mut rows[0].exit);
        for row in &mut rows {
            let (exit, gone) = (middle(&mut row.exit), middle(&mut row.gone));
            let ratio = exit.as_secs_f64() / bare.as_secs_f64();
            println!(
                "{:<32} {:>6} µs {:>6} µs {:>6} µs {ratio:>7.2}",
                row.name,
                row.exit[0].as_micros(),
                exit.as_micros(),
                gone.as_micros()
            );
        }
    }

    fn rows(program: &str, dir: &Path) -> Vec<Row> {
        let row = |name, run| Row {
            name,
            run,
            exit: Vec::new(),
            gone: Vec::new(),
        };
        let mut rows = vec![row("bare spawn with pipes", bare(program))];
        rows.push(row("libfaas, no isolation", ours(Level::None, program)));
        let levels = [
            (Level::Hygiene, "libfaas, I1"),
            (Level::MultiTenant, "libfaas, I2"),
        ];
        for (level, name) in levels {
            match Sandbox::probe(level) {
                Ok(_) => rows.push(row(name, ours(level, program))),
                Err(missing) => println!("left out: {missing}"),
            }
        }
        if rustix::process::geteuid().is_root() {
            rows.push(row("clone, 6 namespaces, 2 mounts", floor(program)));
        }
        #[rustfmt::skip]
        let bwrap = [
            "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
            "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", program,
        ];
        let bundle = bundle(dir, program);
        let crun = [
            "crun",
            "--cgroup-manager=disabled",
            "run",
            "--bundle",
            &bundle,
            "faas-bench",
        ];
        // crun does not run where version 2 of control groups is mounted beside version 1, so it
        // gets a view in which it is not.
        let hybrid = Path::new("/sys/fs/cgroup/unified").exists();
        let view = hybrid.then(without_unified);
        for (name, argv) in [("bwrap --unshare-all", &bwrap[..]), ("crun run", &crun[..])] {
            let view = view.as_ref().filter(|_| name.starts_with("crun"));
            let try_out = command(argv, view);
            match try_out() {
                Ok(_) => rows.push(row(
                    name,
                    Box::new(move || try_out().expect("it worked before")),
                )),
                Err(why) => println!("left out: {name}: {why}"),
            }
        }
        rows
    }

    type Try = Box<dyn Fn() -> Result<(Duration, Duration), String>>;

    /// Starts a command with pipes, in another mount namespace if one is given.
    fn command(argv: &[&str], view: Option<&File>) -> Try {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let view = view.map(|view| view.try_clone().expect("a descriptor"));
        Box::new(move || {
            let begin = Instant::now();
            let mut command = Command::new(&argv[0]);
            command
                .args(&argv[1..])
                .env_clear()
                .env("PATH", "/usr/bin:/bin");
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(view) = &view {
                let fd = view.as_raw_fd();
                // SAFETY: takes numbers, of which one is an open descriptor.
                let enter = move || match unsafe { libc::setns(fd, libc::CLONE_NEWNS) } {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                };
                // SAFETY: one system call on a descriptor that outlives the start.
                unsafe { command.pre_exec(enter) };
            }
            let child = command.spawn().map_err(|error| error.to_string())?;
            let output = child
                .wait_with_output()
                .map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            Ok((begin.elapsed(), begin.elapsed()))
        })
    }

    /// A mount namespace in which control groups are of version 1 alone.
    fn without_unified() -> File {
        let thread = std::thread::spawn(|| {
            // SAFETY: takes a number, and concerns this thread alone.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
            // SAFETY: all strings are constants.
            unsafe {
                libc::mount(
                    ptr::null(),
                    c"/".as_ptr(),
                    ptr::null(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    ptr::null(),
                );
                libc::umount2(c"/sys/fs/cgroup/unified".as_ptr(), libc::MNT_DETACH);
            }
            File::open("/proc/thread-self/ns/mnt").expect("a namespace")
        });
        thread.join().expect("the superuser's privilege")
    }

    fn bare(program: &str) -> Box<dyn FnMut() -> (Duration, Duration)> {
        let run = command(&[program], None);
        Box::new(move || run().expect("a program that can be started"))
    }

    fn ours(level: Level, program: &str) -> Box<dyn FnMut() -> (Duration, Duration)> {
        let settings = Settings {
            level,
            ..Settings::default()
        };
        let text = format!("fsi: \"1.0\"\nname: bench\nmodes: [binary]\ncommand: [{program}]\n");
        let manifest = Manifest::from_yaml(&text).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
        let revision = Revision::new(manifest, folder, "bench", "r1", &settings).unwrap();
        let (context, event) = (
            Context::default(),
            Event::builder("1", "/", "bench").build().unwrap(),
        );
        Box::new(move || {
            let begin = Instant::now();
            let mut instance = start(&revision, &settings, Some((&context, &event))).unwrap();
            assert!(instance.processes[0].wait().unwrap().success());
            let exit = begin.elapsed();
            drop(instance);
            (exit, begin.elapsed())
        })
    }

    struct Exec {
        program: CString,
        argv: [*const libc::c_char; 2],
    }

    /// What no isolated start can do without: a process in new namespaces, a `/proc` and a file
    /// system for temporary files of its own, the program.
    fn floor(program: &str) -> Box<dyn FnMut() -> (Duration, Duration)> {
        let program = CString::new(program).unwrap();
        let exec = Box::new(Exec {
            argv: [program.as_ptr(), ptr::null()],
            program,
        });
        let mut stack = vec![0u128; 4096];
        Box::new(move || {
            let begin = Instant::now();
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
                    ptr::from_ref(&*exec).cast_mut().cast(),
                )
            };
            let mut status = 0;
            // SAFETY: writes the status to a local variable.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            assert_eq!(status, 0);
            (begin.elapsed(), begin.elapsed())
        })
    }

    extern "C" fn child(exec: *mut c_void) -> c_int {
        // SAFETY: `floor` passes this and waits. All strings are constants or live in it.
        unsafe {
            let exec = &*exec.cast::<Exec>();
            let none = ptr::null::<c_void>();
            libc::mount(
                ptr::null(),
                c"/".as_ptr(),
                ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                none,
            );
            libc::mount(c"t".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, none);
            libc::mount(c"p".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, none);
            libc::execve(
                exec.program.as_ptr(),
                exec.argv.as_ptr(),
                &raw const exec.argv[1],
            );
            libc::_exit(127)
        }
    }

    /// A bundle for an OCI runtime that shows what we show.
    fn bundle(dir: &Path, program: &str) -> String {
        let root = dir.join("rootfs");
        for name in ["usr", "proc", "dev", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for (link, to) in [
            ("bin", "usr/bin"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib64"),
        ] {
            std::os::unix::fs::symlink(to, root.join(link)).unwrap();
        }
        let namespaces: Vec<_> = ["pid", "network", "ipc", "uts", "mount", "cgroup"]
            .map(|kind| serde_json::json!({"type": kind}))
            .into();
        let config = serde_json::json!({
            "ociVersion": "1.0.2",
            "process": {"args": [program], "cwd": "/", "env": ["PATH=/usr/bin:/bin"], "noNewPrivileges": true, "user": {"uid": 65534, "gid": 65534}},
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/usr", "source": "/usr", "type": "none", "options": ["rbind", "ro", "nosuid"]},
                {"destination": "/proc", "source": "proc", "type": "proc"},
                {"destination": "/dev", "source": "tmpfs", "type": "tmpfs"},
                {"destination": "/tmp", "source": "tmpfs", "type": "tmpfs"},
            ],
            "linux": {"namespaces": namespaces},
        });
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
        dir.to_str().unwrap().to_owned()
    }
}
