//! Functions that come, change and go with their files.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::client::Client;
use crate::server::{Server, python, shell};

/// Puts a file in the place of another in one step, as deployment tools do.
fn replace(path: &Path, text: &str) {
    let new = path.with_file_name(".new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_function_comes_changes_and_goes() {
    let server = Server::start(&[], |_| ());
    let root = server.folder.path();
    assert_eq!(server.ask("POST /default/f", &[], b"").status, 404);
    let folder = shell(root, "f", "printf one");
    server.wait_record("deployed", "function", "f");
    assert_eq!(server.ask("POST /default/f", &[], b"").text(), "one");
    let revision = server.state("f")["revision"].clone();
    shell(root, "f", "printf two");
    server.wait_state("f", |state| state["revision"] != revision);
    assert_eq!(server.ask("POST /default/f", &[], b"").text(), "two");
    fs::remove_dir_all(folder).unwrap();
    server.wait_record("removed", "function", "f");
    assert_eq!(server.ask("POST /default/f", &[], b"").status, 404);
}

/// Callers notice nothing of a function that is replaced under them, again and again.
#[test]
fn an_update_under_load_loses_no_request() {
    const CLIENTS: usize = 4;
    let server = Server::start(&[], |root| drop(python(root)));
    let main = server.folder.path().join("python-wordcount/main.py");
    let text = fs::read_to_string(&main).unwrap();
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = || {
        let mut client = Client::connect(server.gateway).unwrap();
        while !stop.load(Ordering::Relaxed) {
            let answer = client.ask(
                "POST /default/python-wordcount",
                &[("content-type", "text/plain")],
                b"one two",
            );
            let answer = answer.unwrap();
            assert_eq!(
                (answer.status, answer.json()["words"].as_u64()),
                (200, Some(2)),
                "{answer:?}"
            );
            asked.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(load)).collect();
        for change in 0..5 {
            let revision = server.state("python-wordcount")["revision"].clone();
            let before = asked.load(Ordering::Relaxed);
            replace(&main, &format!("{text}\n# change {change}\n"));
            server.wait_state("python-wordcount", |state| state["revision"] != revision);
            // Every client has been answered by the new revision, or is about to be.
            while asked.load(Ordering::Relaxed) < before + 2 * CLIENTS {
                assert!(
                    clients.iter().all(|client| !client.is_finished()),
                    "a request was lost"
                );
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let state = server.state("python-wordcount");
    let ended = state["ended"]["OK"].as_u64().unwrap();
    assert_eq!(ended, asked.load(Ordering::Relaxed) as u64);
    assert_eq!(state["ended"].as_object().unwrap().len(), 1, "{state}");
}

#[test]
fn what_does_not_start_leaves_what_works_alone() {
    let server = Server::start(&["--init", "5s"], |root| drop(python(root)));
    let folder = server.folder.path().join("python-wordcount");
    let main = fs::read_to_string(folder.join("main.py")).unwrap();
    let works = || {
        let answer = server.ask(
            "POST /default/python-wordcount",
            &[("content-type", "text/plain")],
            b"one",
        );
        assert_eq!(answer.json()["words"], 1);
    };
    replace(&folder.join("main.py"), "this is no Python\n");
    server.wait_record("failed to initialise", "function", "python-wordcount");
    works();
    replace(&folder.join("function.yaml"), "fsi: 1.0\n");
    let complained = || {
        server.records().iter().any(|record| {
            record["body"]
                .as_str()
                .is_some_and(|body| body.contains("`fsi`"))
        })
    };
    while !complained() {
        works();
    }
    assert_eq!(server.state("python-wordcount")["state"], "ready");
    replace(&folder.join("main.py"), &main);
    works();
}
