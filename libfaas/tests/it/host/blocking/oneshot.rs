//! Binary and structured mode with programs of the system.

use super::*;

fn binary(members: &str) -> Blocking {
    function(&format!("{members}, modes: [binary]"))
}

fn data(outcome: Result<Vec<Event>, Status>) -> Vec<u8> {
    let events = outcome.unwrap();
    assert_eq!(events.len(), 1);
    events[0]
        .data()
        .map_or_else(Vec::new, |data| data.as_bytes().to_vec())
}

#[test]
fn any_program_is_a_function() {
    let mut shout =
        binary("command: [tr, a-z, A-Z], produces: [{type: shouted, datacontenttype: text/plain}]");
    let results = call(&mut shout).unwrap();
    assert_eq!(results[0].ty(), "shouted");
    assert_eq!(results[0].data(), Some(&Data::Text("IN".into())));

    let mut attributes = binary(&script(
        "echo \"$CE_ID $CE_TYPE $FAAS_INVOCATION_ID $FAAS_ATTEMPT\"",
    ));
    let context = Context {
        invocation_id: "i-1".into(),
        ..Context::default()
    };
    assert_eq!(data(attributes.call(context, event("in"))), b"7 t i-1 1\n");
}

#[test]
fn large_data_goes_through() {
    let large = vec![b'x'; 8 << 20];
    let mut cat = binary("command: [cat]");
    assert!(data(cat.call(Context::default(), event(large.clone()))) == large);
    // One that reads nothing is no failure.
    let mut deaf = binary(&script("exec 0<&-; echo done"));
    assert_eq!(data(deaf.call(Context::default(), event(large))), b"done\n");
}

#[test]
fn structured_mode_gives_documents() {
    for encoding in ["json", "protobuf", "capnp"] {
        let mut cat = function(&format!(
            "command: [cat], modes: [structured], encodings: [{encoding}]"
        ));
        assert_eq!(call(&mut cat), Ok(vec![event("in")]));
        let text = script("cat >/dev/null; echo what");
        let mut garbage = function(&format!(
            "{text}, modes: [structured], encodings: [{encoding}]"
        ));
        assert_eq!(code(call(&mut garbage)), Code::Internal);
    }
}

#[test]
fn an_exit_is_a_status_and_discards_the_output() {
    for (end, expected) in [
        ("exit 65", Code::InvalidArgument),
        ("exit 77", Code::PermissionDenied),
        ("exit 75", Code::Unavailable),
        ("exit 1", Code::Unknown),
        ("kill -SEGV $$", Code::Internal),
        ("exit 127", Code::FailedPrecondition),
    ] {
        let text = script(&format!(
            "cat; echo 'the door is locked' >&2; echo >&2; {end}"
        ));
        let status = call(&mut binary(&text)).unwrap_err();
        assert_eq!(status, Status::new(expected, "the door is locked"));
    }
}

#[test]
fn a_deadline_kills() {
    let mut slow = binary("command: [sleep, \"60\"], limits: {timeout: 300ms}");
    soon(|| {
        assert_eq!(code(call(&mut slow)), Code::DeadlineExceeded);
    });
}

#[test]
fn too_much_output_kills() {
    let mut much = binary("command: [cat, /dev/zero], limits: {output: 1Mi, timeout: 20s}");
    assert_eq!(code(call(&mut much)), Code::ResourceExhausted);
}

#[test]
fn a_grandchild_holds_nothing_up_and_is_killed() {
    let marker = std::env::temp_dir().join(format!("libfaas-grandchild-{}", std::process::id()));
    let text = script(&format!(
        "(setsid sh -c 'echo $$ > {}; exec sleep 60') & while ! [ -s {} ]; do :; done; echo done",
        marker.display(),
        marker.display()
    ));
    soon(|| assert_eq!(data(call(&mut binary(&text))), b"done\n"));
    let pid = std::fs::read_to_string(&marker).unwrap();
    std::fs::remove_file(&marker).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        stat.is_err() || stat.unwrap().contains(") Z"),
        "the grandchild {pid} lives on"
    );
}

#[test]
fn a_pipeline_fails_as_its_leftmost_failure_but_not_by_sigpipe() {
    let stages = |stages: &str| binary(&format!("pipeline: [{stages}], limits: {{timeout: 20s}}"));
    let fails = |n: u8| {
        script(&format!("cat >/dev/null; echo stage {n} >&2; exit {n}")).replace("command: ", "")
    };
    assert_eq!(
        data(call(&mut stages("[cat], [tr, a-z, A-Z], [rev]"))),
        b"NI"
    );
    let status = call(&mut stages(&format!("[cat], {}, {}", fails(77), fails(65)))).unwrap_err();
    assert_eq!(status, Status::new(Code::PermissionDenied, "stage 77"));
    assert_eq!(data(call(&mut stages("[yes], [head, -n1]"))), b"y\n");
}

#[test]
fn what_can_not_be_an_environment_is_refused() {
    let mut cat = binary("command: [cat], limits: {event: 10}");
    let big = event("in")
        .to_builder()
        .subject("x".repeat(32_001))
        .build()
        .unwrap();
    assert_eq!(
        code(cat.call(Context::default(), big)),
        Code::InvalidArgument
    );
    let outcome = cat.call(Context::default(), event("0123456789a"));
    assert_eq!(code(outcome), Code::ResourceExhausted);
}
