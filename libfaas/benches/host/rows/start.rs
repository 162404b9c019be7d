//! What a start costs at each level, against a bare one and others' tools.

use std::fs::{self, File};
use std::path::Path;

use libfaas::host::{Instance, Level, Revision, Sandbox, Settings, start};
use libfaas::{Context, Event, Manifest};

use super::{Entry, cores_name};
use crate::comparison::{Bound, Comparison, Unit};
use crate::limits::spawn::{
    Running, Until, clone_namespaces, command, enter, posix_spawn, runs, static_copy,
};
use crate::options::Options;

const SIZE: usize = 1 << 10;

pub(super) fn entries() -> Vec<Entry> {
    let entry = |cores: usize, until: Until| {
        let (id, what) = match until {
            Until::Reply => ("start", "start to first reply, 1 KiB"),
            Until::Gone => ("life", "start until nothing is left, 1 KiB"),
        };
        let id = format!("{id}-{}", cores_name(cores));
        Entry::new(id, what, cores, move |options| compare(until, options))
    };
    [1, 2]
        .into_iter()
        .flat_map(|cores| [Until::Reply, Until::Gone].map(|until| entry(cores, until)))
        .collect()
}

fn compare(until: Until, options: &Options) -> Result<Comparison, String> {
    let folder = static_copy()?;
    let program = folder.join("copy");
    let input = || vec![b'x'; SIZE];
    let mut all = Comparison::new(Unit::Seconds);
    let bare = [all.limit("posix_spawn", runs(posix_spawn(&program), input(), until))];
    for (level, name) in [
        (Level::None, "libfaas, no isolation"),
        (Level::Hygiene, "libfaas, I1"),
    ] {
        let sample = ours(level, &folder).map(|start| runs(start, input(), until));
        all.try_row(name, &bare, None, sample);
    }
    let root = rustix::process::geteuid().is_root();
    let floor = root.then(|| {
        let start = clone_namespaces(&program);
        all.row(
            "clone, 6 namespaces, 2 mounts",
            &bare,
            None,
            runs(start, input(), until),
        )
    });
    let name = "libfaas, I2";
    // What is judged is the reply; what cleaning up costs can be seen beside it.
    let most = |ratio| (until == Until::Reply).then_some(Bound::AtMost(ratio));
    let isolated = match (ours(Level::MultiTenant, &folder), floor) {
        (Ok(start), Some(floor)) => {
            Some(all.row(name, &[floor], most(1.6), runs(start, input(), until)))
        }
        (Ok(_), None) => {
            all.missing(
                name,
                most(1.6),
                "the clone that it is held against needs root",
            );
            None
        }
        (Err(why), _) => {
            all.missing(name, most(1.6), why);
            None
        }
    };
    for (tool, least, argv) in tools(&folder) {
        let peer = match options.peers {
            true => try_out(tool, argv),
            false => Err("--no-peers".to_owned()),
        };
        match (peer, isolated) {
            (Ok(start), Some(isolated)) => {
                let peer = all.limit(tool, runs(start, input(), until));
                all.claim(isolated, &[peer], most(least));
                all.claim(peer, floor.as_slice(), None);
            }
            (Err(why), Some(_)) => all.missing(format!("{name}, against {tool}"), most(least), why),
            _ => {}
        }
    }
    Ok(all)
}

fn ours(level: Level, folder: &Path) -> Result<impl FnMut() -> Running + 'static, String> {
    Sandbox::probe(level).map_err(|missing| missing.to_string())?;
    let settings = Settings {
        level,
        ..Settings::default()
    };
    let text = "{fsi: \"1.0\", name: copy, command: [./copy], modes: [binary]}";
    let manifest = Manifest::from_yaml(text).expect("a manifest");
    let revision = Revision::new(manifest, folder, "bench", "r1", &settings).expect("a revision");
    let event = Event::builder("1", "/", "bench").build().expect("an event");
    let context = Context::default();
    Ok(move || {
        let instance = start(&revision, &settings, Some((&context, &event)));
        let Instance {
            mut processes,
            stdin,
            stdout,
            stderr,
            sandbox,
        } = instance.expect("an instance");
        Running {
            stdin,
            stdout,
            finish: Box::new(move || {
                assert!(processes[0].wait().expect("its end").success());
                drop((sandbox, stderr));
            }),
        }
    })
}

/// Others' tools, the part of their time that ours may take, and how each is told to show the
/// program what we show it.
fn tools(folder: &Path) -> [(&'static str, f64, Vec<String>); 2] {
    let here = folder.to_str().expect("a path in UTF-8");
    let program = format!("{here}/copy");
    #[rustfmt::skip]
    let bwrap = [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
        "--ro-bind", here, here, &program,
    ];
    let bundle = bundle(folder);
    #[rustfmt::skip]
    let crun = ["crun", "--cgroup-manager=disabled", "run", "--bundle", &bundle, "faas-bench"];
    let owned = |argv: &[&str]| argv.iter().map(|&word| word.to_owned()).collect();
    [
        ("bwrap", 1.0 / 3.0, owned(&bwrap)),
        ("crun", 1.0 / 4.0, owned(&crun)),
    ]
}

fn try_out(tool: &str, argv: Vec<String>) -> Result<impl FnMut() -> Running + 'static, String> {
    // crun does not run where version 2 of control groups is mounted beside version 1, so it gets a
    // view in which it is not.
    let hybrid = Path::new("/sys/fs/cgroup/unified").exists();
    let root = rustix::process::geteuid().is_root();
    let view = (tool == "crun" && hybrid && root).then(without_unified);
    let mut once = std::process::Command::new(&argv[0]);
    once.args(&argv[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    enter(&mut once, view.as_ref());
    let output = once.stdin(std::process::Stdio::null()).output();
    let output = output.map_err(|error| format!("{tool}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{tool}: {}", said.trim()));
    }
    Ok(command(argv, view))
}

/// A mount namespace in which control groups are of version 1 alone.
fn without_unified() -> File {
    use std::ptr::null;
    let thread = std::thread::spawn(|| {
        // SAFETY: takes a number, and concerns this thread alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: all strings are constants.
        unsafe {
            libc::mount(null(), c"/".as_ptr(), null(), private, null());
            libc::umount2(c"/sys/fs/cgroup/unified".as_ptr(), libc::MNT_DETACH);
        }
        File::open("/proc/thread-self/ns/mnt").expect("a namespace")
    });
    thread.join().expect("the superuser's privilege")
}

/// A bundle for an OCI runtime, in which the program sees what it sees at I2.
fn bundle(folder: &Path) -> String {
    let bundle = folder.join("bundle");
    let root = bundle.join("rootfs");
    for name in ["usr", "proc", "dev", "tmp", "function"] {
        fs::create_dir_all(root.join(name)).expect("a folder");
    }
    for name in ["bin", "lib", "lib64"] {
        // It may be there already.
        let _ = std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name));
    }
    let namespaces: Vec<_> = ["pid", "network", "ipc", "uts", "mount", "cgroup"]
        .map(|kind| serde_json::json!({"type": kind}))
        .into();
    let bind = |to: &str, from: &str| serde_json::json!({"destination": to, "source": from, "type": "none", "options": ["rbind", "ro", "nosuid"]});
    let config = serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {"args": ["/function/copy"], "cwd": "/", "env": ["PATH=/usr/bin:/bin"], "noNewPrivileges": true, "user": {"uid": 65534, "gid": 65534}},
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [
            bind("/usr", "/usr"),
            bind("/function", folder.to_str().expect("a path in UTF-8")),
            {"destination": "/proc", "source": "proc", "type": "proc"},
            {"destination": "/dev", "source": "tmpfs", "type": "tmpfs"},
            {"destination": "/tmp", "source": "tmpfs", "type": "tmpfs"},
        ],
        "linux": {"namespaces": namespaces},
    });
    fs::write(bundle.join("config.json"), config.to_string()).expect("a file");
    bundle.to_str().expect("a path in UTF-8").to_owned()
}
