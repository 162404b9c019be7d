//! What every host does: commands found and not found, streams, environment, nothing left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use libfaas::Code;
use rustix::process::Signal;

use super::{Run, eventually, finish, is_alive, lines};

fn script(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn bytes_go_through_a_command_from_path_and_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "shout", "#!/bin/sh\nexec tr a-z A-Z\n");
    for command in [&["tr", "a-z", "A-Z"][..], &["./shout"]] {
        let came = finish(
            Run::default().start(folder.path(), command).unwrap(),
            b"hello",
        );
        assert_eq!(came.stdout, "HELLO", "{came:?}");
        assert!(came.status.success());
        assert!(!Path::new(&came.tmpdir).exists());
    }
}

#[test]
fn it_runs_in_its_folder_with_its_environment_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Run::default().start(folder.path(), &["sh", "-c", "echo cwd $(pwd -P); env -0 | tr '\\0\\n' '\\n ' | sed 's/=/ /'; ls -d $TMPDIR/.. >/dev/null"]);
    let seen = lines(&finish(instance.unwrap(), b""));
    assert_eq!(
        seen["cwd"],
        folder.path().canonicalize().unwrap().to_str().unwrap()
    );
    assert_eq!(seen["FAAS_MODE"], "binary");
    assert!(seen["TMPDIR"].contains("faas-"));
    assert!(!seen.contains_key("CARGO_MANIFEST_DIR"), "{seen:?}");
}

#[test]
fn what_cannot_be_started_is_a_failed_precondition_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plain"), "echo").unwrap();
    script(folder.path(), "orphan", "#!/no/such/interpreter\n");
    script(
        folder.path(),
        "noise",
        "\0\x01\x02 nothing that a machine runs",
    );
    fs::create_dir(folder.path().join("dir")).unwrap();
    let cases = [
        ("./missing", "no such file"),
        ("no-such-program", "no such program in PATH"),
        ("./plain", "chmod +x"),
        ("./orphan", "/no/such/interpreter"),
        ("./noise", "#!/bin/sh"),
        ("./dir", "folder"),
    ];
    for (command, why) in cases {
        let status = Run::default().start(folder.path(), &[command]).unwrap_err();
        assert_eq!(status.code, Code::FailedPrecondition, "{command}");
        assert!(
            status.message.contains(why),
            "{command}: {}",
            status.message
        );
    }
    let status = Run::default()
        .start(Path::new("/no/such/folder"), &["true"])
        .unwrap_err();
    assert_eq!(status.code, Code::FailedPrecondition);
}

#[test]
fn a_program_that_was_just_written_is_started() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        // Starts at the same time copy the descriptor that the script is written through.
        for n in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                for i in 0..20 {
                    let name = format!("s{n}-{i}");
                    script(folder, &name, "#!/bin/sh\necho ok\n");
                    let came = finish(
                        Run::default()
                            .start(folder, &[&format!("./{name}")])
                            .unwrap(),
                        b"",
                    );
                    assert_eq!(came.stdout, "ok\n", "{came:?}");
                }
            });
        }
    });
}

#[test]
fn stages_are_joined_by_pipes_of_which_the_host_keeps_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline =
        "pipeline:\n  - command: [tr, a-z, A-Z]\n  - command: [sed, s/O/0/g]\n  - command: [cat]";
    let came = finish(
        Run::default().start_as(folder.path(), pipeline).unwrap(),
        b"foo",
    );
    assert_eq!(came.stdout, "F00");
}

#[test]
fn exit_and_signal_are_told_apart() {
    let came = Run::default().command(&["sh", "-c", "exit 137"]);
    assert_eq!(
        (came.status.code(), came.status.signal()),
        (Some(137), None)
    );
    let came = Run::default().command(&["sh", "-c", "kill -9 $$"]);
    assert_eq!((came.status.code(), came.status.signal()), (None, Some(9)));
}

#[test]
fn a_signal_reaches_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let program = "sh -c 'echo ready; exec sleep 60'; echo survived";
    let instance = Run::default()
        .start(folder.path(), &["sh", "-c", program])
        .unwrap();
    let mut first = [0; 6];
    std::io::Read::read_exact(
        &mut fs::File::from(instance.stdout.try_clone().unwrap()),
        &mut first,
    )
    .unwrap();
    instance.processes[0].signal(Signal::TERM);
    let came = finish(instance, b"");
    assert_eq!(came.status.signal(), Some(15), "{came:?}");
    assert_eq!(came.stdout, "");
}

/// Forks twice, changes session, drops its environment, ignores what can be ignored.
pub(super) const ESCAPE: &str = r#"
import os, signal, sys, time
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(s, signal.SIG_IGN)
        # The number by which the host knows it.
        os.write(w, os.readlink("/proc/self").encode().ljust(12))
        os.execve(sys.executable, ["python3", "-c", "import time; time.sleep(600)"], dict(os.environ, HOME="/"))
    os._exit(0)
os.wait()
print(os.read(r, 12).decode().strip(), flush=True)
"#;

#[test]
fn a_grandchild_in_a_session_of_its_own_dies_with_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let mut instance = Run::default()
        .start(folder.path(), &["python3", "-c", ESCAPE])
        .unwrap();
    instance.processes[0].wait().unwrap();
    let mut text = [0; 64];
    let n = rustix::io::read(&instance.stdout, &mut text).unwrap();
    let pid: i32 = std::str::from_utf8(&text[..n])
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(is_alive(pid));
    drop(instance);
    eventually("the grandchild is gone", || !is_alive(pid));
}

#[test]
fn dropping_an_instance_kills_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Run::default()
        .start(folder.path(), &["sleep", "600"])
        .unwrap();
    let pid = instance.processes[0].pid() as i32;
    assert!(is_alive(pid));
    drop(instance);
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "not a zombie either"
    );
}
