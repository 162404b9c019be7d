//! Hello, initialisation, and what the environment says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libfaas::function::{Exit, Function, each};
use libfaas::{Code, Encoding, Event, Status};

use super::peer::{Peer, hello, run_once, unary};

fn echo() -> impl Fn(&mut libfaas::function::Call) -> Result<(), Status> + Send + Sync + 'static {
    each(Ok::<Event, Status>)
}

/// What a function says and how it ends, when it greets with `message`.
fn greeted(function: Function, message: libfaas::Message) -> (Status, Exit) {
    let mut peer = Peer::spawn(function, Encoding::Json, &[], echo());
    // Calls may stand behind the hello at once.
    peer.send_all([message, unary(1, super::peer::event("1"))]);
    let status = peer
        .receive()
        .hello
        .expect("the first message is a hello")
        .status;
    (status, peer.exit())
}

#[test]
fn a_bad_hello_becomes_its_own() {
    let bad = Status::new(Code::NotFound, "no model").detail("model", "m1");
    assert_eq!(
        greeted(Function::new(), hello("1.0", bad.clone())),
        (bad.clone(), Exit::Failed(bad))
    );
}

#[test]
fn a_version_that_it_cannot_serve() {
    let (status, exit) = greeted(Function::new(), hello("2.0", Status::ok()));
    assert_eq!(status.code, Code::FailedPrecondition);
    assert_eq!(exit.status(), 78);
}

#[test]
fn initialisation_fails_or_panics() {
    let failing = Function::new().init(|| Err(Status::new(Code::PermissionDenied, "no key")));
    let (status, exit) = greeted(failing, hello("1.0", Status::ok()));
    assert_eq!(
        (status, exit.status()),
        (Status::new(Code::PermissionDenied, "no key"), 77)
    );

    let panicking = Function::new().init(|| panic!("in initialisation"));
    assert_eq!(
        greeted(panicking, hello("1.0", Status::ok())).0.code,
        Code::Internal
    );
}

#[test]
fn initialisation_is_over_before_hello_and_hello_waits_for_the_input_s() {
    let initialised = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&initialised);
    let function = Function::new().producer("me/1").init(move || {
        flag.store(true, Ordering::SeqCst);
        Ok(())
    });
    let mut peer = Peer::spawn(function, Encoding::Json, &[], echo());
    peer.send_bytes(b"{\"hello\":");
    peer.send_bytes(b"{\"fsi\":\"1.3\"}}\n");
    let hello = peer.receive().hello.unwrap();
    assert!(initialised.load(Ordering::SeqCst));
    assert_eq!(
        (hello.producer.as_str(), hello.status),
        ("me/1", Status::ok())
    );
    peer.close();
}

#[test]
fn an_input_that_ends_before_its_hello() {
    let mut peer = Peer::spawn(Function::new(), Encoding::Json, &[], echo());
    peer.close_input();
    assert_eq!(peer.receive().hello.unwrap().status.code, Code::Unavailable);
    assert_eq!(peer.exit().status(), 69);
}

#[test]
fn a_stream_that_begins_with_something_else() {
    let banner = b"Loading the model, please wait\n";
    let (exit, written) = run_once(Function::new(), &[("FAAS_MODE", "stream")], banner, echo());
    assert_eq!((exit.status(), written.as_slice()), (65, &b""[..]));
    let Exit::Failed(status) = exit else {
        panic!("it failed")
    };
    assert!(
        status.message.contains("Loading the model"),
        "{}",
        status.message
    );
    assert!(
        status.message.contains("hello-missing"),
        "{}",
        status.message
    );
}

#[test]
fn an_environment_that_it_cannot_serve() {
    for vars in [
        [("FAAS_MODE", "batch"), ("FAAS_SPEC", "1.0")],
        [("FAAS_MODE", "structured"), ("FAAS_SPEC", "2.0")],
    ] {
        let (exit, written) = run_once(Function::new(), &vars, b"", echo());
        assert_eq!(
            (exit.status(), written.as_slice()),
            (78, &b""[..]),
            "{vars:?}"
        );
    }
}

#[test]
fn describe_prints_the_manifest() {
    let vars = [("FAAS_MODE", "describe")];
    let yaml = "fsi: \"1.0\"\nname: echo\nversion: 1.0.0\ncommand: [./echo]\nmodes: [stream]\nencodings: [json]\n";
    let (exit, written) = run_once(Function::new().manifest(yaml), &vars, b"", echo());
    assert_eq!(exit, Exit::Done);
    let manifest: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(manifest["name"], "echo");
    assert_eq!(manifest["fsi"], "1.0");

    for none in [
        Function::new(),
        Function::new().manifest("name: nothing else"),
    ] {
        let (exit, written) = run_once(none, &vars, b"", echo());
        assert_ne!(exit.status(), 0);
        assert!(written.is_empty());
    }
}
