//! Calls of a function that behaves.

use libfaas::host::{Exit, Part};

use super::*;

/// libfaas's own probe.
fn probe(encoding: &str, members: &str) -> Blocking {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples/probe");
    assert!(
        path.exists(),
        "build it with `cargo build -p libfaas --examples`"
    );
    let path = path.display();
    function(&format!(
        "command: [\"{path}\"], modes: [stream], encodings: [{encoding}], features: [chunks], {members}"
    ))
}

fn of_type(ty: &str, data: &str) -> Event {
    let event = Event::builder("7", "/s", ty).datacontenttype("application/json");
    event.data(data).build().unwrap()
}

#[test]
fn what_goes_in_comes_back_in_every_encoding_and_size() {
    for encoding in ["json", "protobuf", "capnp"] {
        let mut probe = probe(encoding, "limits: {timeout: 30s}");
        for size in [0, 1, 1000, 65_536, 1 << 20, 20 << 20] {
            let echo = Event::builder("7", "/s", "fsi.probe.echo").data(vec![b'x'; size]);
            let echo = echo.build().unwrap();
            let results = probe.call(Context::default(), echo.clone()).unwrap();
            assert!(results == [echo], "{size} bytes in {encoding}");
        }
        assert_eq!(probe.close(), Some(Exit::Code(0)));
    }
}

#[test]
fn the_context_reaches_the_handler_with_a_deadline() {
    let mut probe = probe("protobuf", "limits: {timeout: 30s}");
    let context = Context {
        invocation_id: "i-1".into(),
        ..Context::default()
    };
    let results = probe
        .call(context, of_type("fsi.probe.context", "{}"))
        .unwrap();
    let data = String::from_utf8(results[0].data().unwrap().as_bytes().to_vec()).unwrap();
    assert!(data.contains("\"invocationId\":\"i-1\""), "{data}");
    assert!(data.contains("\"attempt\":1"), "{data}");
    assert!(data.contains("\"deadlineMs\":"), "{data}");
}

#[test]
fn a_failure_is_a_status() {
    let mut probe = probe("json", "");
    let fail = of_type(
        "fsi.probe.fail",
        r#"{"code":"NOT_FOUND","message":"no such door"}"#,
    );
    let status = probe.call(Context::default(), fail).unwrap_err();
    assert_eq!(status, Status::new(Code::NotFound, "no such door"));
}

#[test]
fn a_conversation_goes_both_ways_and_is_over_after_its_end() {
    let mut probe = probe("protobuf", "limits: {timeout: 30s}");
    let mut call = probe.open(Context::default()).unwrap();
    for n in 0..3 {
        let echo = of_type("fsi.probe.echo", &n.to_string());
        call.send(Part::event(echo.clone()));
        assert_eq!(call.next().unwrap().event, Some(echo));
    }
    call.send(Part::end(Status::ok()));
    assert!(call.next().unwrap().end.unwrap().is_ok());
    assert_eq!(call.next(), None);
}

#[test]
fn a_call_that_is_given_up_leaves_the_instance() {
    let mut probe = probe("json", "");
    assert_eq!(probe.start().unwrap().fsi, "1.0");
    let wait = of_type("fsi.probe.wait", "{}");
    let mut call = probe.open(Context::default()).unwrap();
    call.send(Part::last(wait.clone()));
    assert!(call.next().unwrap().event.is_some());
    call.cancel("enough");
    assert_eq!(call.next().unwrap().end.unwrap().code, Code::Cancelled);
    drop(call);
    // Dropped before its end.
    probe
        .open(Context::default())
        .unwrap()
        .send(Part::last(wait.clone()));
    let context = Context {
        deadline_ms: Some(0),
        ..Context::default()
    };
    let late = probe.call(context, wait).unwrap_err();
    assert!(
        matches!(late.code, Code::Cancelled | Code::DeadlineExceeded),
        "{late}"
    );
    assert!(
        probe
            .call(Context::default(), of_type("fsi.probe.echo", "1"))
            .is_ok()
    );
    assert_eq!(probe.close(), Some(Exit::Code(0)));
}

#[test]
fn a_bad_initialisation_is_the_status_of_its_calls() {
    let mut probe = probe("json", "env: {PROBE_INIT: PERMISSION_DENIED}");
    assert_eq!(code(call(&mut probe)), Code::PermissionDenied);
    assert_eq!(probe.start().unwrap_err().code, Code::PermissionDenied);
}

#[test]
fn a_pipeline_is_a_function() {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples/probe");
    let stage = format!("[\"{}\"]", path.display());
    let mut three = function(&format!(
        "pipeline: [{stage}, {stage}, {stage}], modes: [stream], encodings: [protobuf], limits: {{timeout: 30s}}"
    ));
    for size in [10, 1 << 20] {
        let echo = Event::builder("7", "/s", "fsi.probe.echo").data(vec![b'x'; size]);
        let echo = echo.build().unwrap();
        assert!(three.call(Context::default(), echo.clone()).unwrap() == [echo]);
    }
    assert_eq!(three.close(), Some(Exit::Code(0)));
}

#[test]
fn a_stage_that_dies_ends_the_call_at_once() {
    let hello = r#"read l; echo '{"call":0,"hello":{"fsi":"1.0"}}';"#;
    let pass = script(&format!("{hello} exec cat")).replace("command: ", "");
    let dies = script(&format!("{hello} read l; exit 3")).replace("command: ", "");
    for stages in [[&dies, &pass], [&pass, &dies]] {
        let [first, second] = stages;
        let mut both = function(&format!(
            "pipeline: [{first}, {second}], modes: [stream], limits: {{timeout: 30s}}"
        ));
        both.start().unwrap();
        soon(|| assert_eq!(code(call(&mut both)), Code::Unavailable));
    }
}
