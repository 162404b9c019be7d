//! The end of the runtime.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::Client;
use crate::server::{Server, python, shell};

/// Whoever was accepted is answered: the calls that run, and those on connections in use.
#[test]
fn the_end_loses_no_accepted_call() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[], |root| {
            python(root);
            // Ends once the test says so, by a file that it waits for.
            shell(
                root,
                "held",
                "while [ ! -e go ]; do sleep 0.02; done; printf done",
            );
        });
        let (gateway, answered) = (server.gateway, AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let held: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(move || {
                        let mut client = Client::connect(gateway).unwrap();
                        client.ask("POST /default/held", &[], b"").unwrap()
                    })
                })
                .collect();
            let busy = scope.spawn(|| {
                let mut client = Client::connect(gateway).unwrap();
                loop {
                    let text = [("content-type", "text/plain")];
                    let answer = client
                        .ask("POST /default/python-wordcount", &text, b"one")
                        .unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == "close" {
                        return;
                    }
                }
            });
            server.wait_state("held", |state| state["open"] == 3);
            while answered.load(Ordering::Relaxed) < 3 {
                assert!(!busy.is_finished());
                std::thread::yield_now();
            }
            server.signal(signal);
            busy.join().unwrap();
            // It listens no more, and yet the calls that it has are not over.
            while TcpStream::connect(gateway).is_ok() {}
            assert!(held.iter().all(|client| !client.is_finished()));
            std::fs::write(server.folder.path().join("held/go"), "").unwrap();
            for client in held {
                let answer = client.join().unwrap();
                assert_eq!((answer.status, answer.text()), (200, "done"));
            }
        });
        assert!(server.wait().success(), "SIG{signal}");
        let ended = server
            .records()
            .iter()
            .filter(|record| record["body"] == "ended")
            .count();
        assert_eq!(ended, 1);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&[], |root| drop(shell(root, "held", "exec sleep 600")));
    let mut client = Client::connect(server.gateway).unwrap();
    client.send("POST /default/held", &[], b"").unwrap();
    server.wait_state("held", |state| state["open"] == 1);
    server.signal("TERM");
    while TcpStream::connect(server.gateway).is_ok() {}
    server.signal("TERM");
    server.wait();
    assert!(client.answer().is_err());
}

#[test]
fn no_time_is_too_long_to_end_in() {
    let longest = "9223372036854775807s";
    let times = ["--timeout", longest, "--cancel-grace", longest];
    let mut server = Server::start(&times, |root| drop(shell(root, "f", "cat")));
    assert_eq!(server.ask("POST /default/f", &[], b"x").status, 200);
    server.signal("TERM");
    let status = server.wait();
    assert!(status.success(), "{status}: {:#?}", server.records());
}
