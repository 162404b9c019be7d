//! Stream mode with functions that break it.

use libfaas::host::{Exit, Part};

use super::*;

const HELLO: &str = r#"read l; echo '{"call":0,"hello":{"fsi":"1.0"}}';"#;
/// Answers every call with an empty result.
const SERVE: &str =
    r#"while read -r l; do n=${l#*:}; n=${n%%,*}; echo "{\"call\":$n,\"end\":{}}"; done"#;

fn greeted(script: &str) -> Blocking {
    stream(&format!("{HELLO} {script}"))
}

/// One that has a second for each call, which its own start is a part of.
fn overdue(text: &str) -> Blocking {
    let script = script(&format!("{HELLO} {text}"));
    function(&format!(
        "{script}, modes: [stream], limits: {{timeout: 1s}}"
    ))
}

#[test]
fn a_log_before_the_first_message_does_not_hold_it_up() {
    for flood in [
        "i=0; while [ $i -lt 4096 ]; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2; i=$((i+1)); done",
        "head -c 1048576 /dev/zero | tr '\\0' x >&2; echo >&2",
    ] {
        let mut function = stream(&format!("{flood}; echo last >&2; {HELLO} {SERVE}"));
        assert_eq!(code(call(&mut function)), Code::Ok);
        function.close();
        let records: Vec<_> = std::iter::from_fn(|| function.record()).collect();
        assert_eq!(records.last().unwrap().text, "last");
        assert!(
            records
                .iter()
                .map(|record| record.text.len())
                .sum::<usize>()
                <= 64 << 10
        );
    }
}

#[test]
fn a_log_during_a_call_does_not_hold_it_up() {
    let flood = "head -c 1048576 /dev/zero | tr '\\0' '\\n' >&2";
    let mut function = greeted(&format!(
        "read l; {flood}; echo '{{\"call\":1,\"end\":{{}}}}'; {SERVE}"
    ));
    assert_eq!(code(call(&mut function)), Code::Ok);
    assert_eq!(code(call(&mut function)), Code::Ok);
}

#[test]
fn a_banner_is_quoted_at_once() {
    let mut function = stream("echo 'Loading the model'; sleep 60");
    soon(|| {
        let status = call(&mut function).unwrap_err();
        assert_eq!(status.code, Code::Internal);
        assert!(status.message.contains("Loading the model"), "{status}");
    });
}

#[test]
fn garbage_after_an_end_costs_the_instance_and_not_the_result() {
    let mut function = greeted(r#"read l; printf '{"call":1,"end":{}}\ngarbage\n'; sleep 60"#);
    for _ in 0..2 {
        assert_eq!(code(call(&mut function)), Code::Ok);
    }
}

#[test]
fn half_a_message_and_silence_end_at_the_deadline() {
    let mut function = overdue(r#"read l; printf '{"call":1,"ev'; sleep 60"#);
    soon(|| {
        assert_eq!(code(call(&mut function)), Code::DeadlineExceeded);
    });
}

#[test]
fn answers_for_other_calls_reach_nobody() {
    let wrong = r#"echo '{"call":9,"event":{"specversion":"1.0","id":"1","source":"/","type":"wrong"},"end":{}}';"#;
    let mut function = greeted(&format!(
        r#"read l; {wrong} echo '{{"call":1,"end":{{}}}}'; echo '{{"call":1,"end":{{"code":"ABORTED"}}}}'; {wrong} {SERVE}"#
    ));
    assert_eq!(call(&mut function), Ok(vec![]));
    assert_eq!(call(&mut function), Ok(vec![]));
}

#[test]
fn a_function_that_never_reads_does_not_hold_the_host_up() {
    let mut function = overdue("sleep 60");
    let large = event(vec![b'x'; 1 << 20]);
    soon(|| {
        let outcome = function.call(Context::default(), large);
        assert_eq!(code(outcome), Code::DeadlineExceeded);
    });
}

#[test]
fn a_late_reply_does_not_reach_the_next_call() {
    // It answers call 1 long after its grace, and says of itself which process it is.
    let answer = r#"{\"call\":1,\"event\":{\"specversion\":\"1.0\",\"id\":\"$$\",\"source\":\"/\",\"type\":\"t\"},\"end\":{}}"#;
    let late = format!(r#"read l; case "$l" in *slow*) sleep 30;; esac; echo "{answer}"; {SERVE}"#);
    let script = script(&format!("{HELLO} {late}"));
    let mut function = function(&format!(
        "{script}, modes: [stream], limits: {{timeout: 4s}}"
    ));
    let slow = function.call(Context::default(), event("slow"));
    assert_eq!(code(slow), Code::DeadlineExceeded);
    let results = call(&mut function).unwrap();
    assert_eq!(results.len(), 1);
}

#[test]
fn an_exit_without_a_reply_is_unavailable_whatever_its_status() {
    for end in ["exit 0", "exit 70", "kill -SEGV $$", "exec 1>&-; sleep 60"] {
        let mut function = greeted(&format!("read l; echo oh >&2; {end}"));
        soon(|| {
            let status = call(&mut function).unwrap_err();
            assert_eq!(status.code, Code::Unavailable, "{end}: {status}");
        });
    }
}

#[test]
fn an_exit_after_a_reply_changes_nothing() {
    let mut function = greeted(r#"read l; echo '{"call":1,"end":{}}'; exit 3"#);
    assert_eq!(code(call(&mut function)), Code::Ok);
    // The next call may still meet the process, but no third one does.
    let next = code(call(&mut function));
    assert!(matches!(next, Code::Ok | Code::Unavailable), "{next}");
    if next == Code::Unavailable {
        assert_eq!(code(call(&mut function)), Code::Ok);
    }
    assert_eq!(function.close(), Some(Exit::Code(3)));
}

#[test]
fn a_death_in_initialisation_is_read_by_the_table() {
    for (end, expected) in [
        ("exit 78", Code::FailedPrecondition),
        ("kill -ABRT $$", Code::Internal),
        ("exit 1", Code::Unknown),
        ("exec ./no-such-program", Code::FailedPrecondition),
    ] {
        let mut function = stream(&format!("echo 'no licence' >&2; {end}"));
        let status = call(&mut function).unwrap_err();
        assert_eq!(status.code, expected, "{end}");
        if !end.starts_with("exec") {
            assert_eq!(status.message, "no licence");
        }
    }
    let missing = "command: [./no-such-program], modes: [stream]";
    assert_eq!(code(call(&mut function(missing))), Code::FailedPrecondition);
}

#[test]
fn a_grandchild_that_holds_stdout_holds_nothing_up() {
    let mut function = greeted("setsid sleep 60 & read l; exit 0");
    soon(|| assert_eq!(code(call(&mut function)), Code::Unavailable));
    let mut function = greeted(&format!("setsid sleep 60 & {SERVE}"));
    soon(|| {
        assert_eq!(code(call(&mut function)), Code::Ok);
        assert_eq!(function.close(), Some(Exit::Code(0)));
    });
}

#[test]
fn the_ladder_ends_what_does_not_drain() {
    for (ignores, exit) in [("", Exit::Signal(15)), ("trap '' TERM;", Exit::Signal(9))] {
        let script = script(&format!(
            "{HELLO} {ignores} read l; echo '{{\"call\":1,\"end\":{{}}}}'; exec sleep 60"
        ));
        let mut settings = settings();
        settings.times.drain = Duration::from_millis(500);
        let mut function = function_with(settings, &format!("{script}, modes: [stream]"));
        assert_eq!(code(call(&mut function)), Code::Ok);
        soon(|| assert_eq!(function.close(), Some(exit)));
    }
}

#[test]
fn a_drain_finishes_the_call_that_is_open() {
    let slow = r#"read l; while read -r l; do :; done; echo '{"call":1,"end":{}}'"#;
    let mut function = greeted(slow);
    let mut open = function.open(Context::default()).unwrap();
    open.send(Part::last(event("in")));
    std::mem::forget(open);
    assert_eq!(function.close(), Some(Exit::Code(0)));
}

#[test]
fn too_much_output_ends_the_call_and_leaves_the_process() {
    let data = "x".repeat(3000);
    let answer = format!(
        r#"{{\"call\":$n,\"event\":{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"t\",\"data\":\"{data}\"}}}}"#
    );
    let serve = format!(
        r#"while read -r l; do n=${{l#*:}}; n=${{n%%,*}}; case "$l" in *cancel*) ;; *much*) echo "{answer}"; echo "{{\"call\":$n,\"end\":{{}}}}";; *) echo "{{\"call\":$n,\"end\":{{}}}}";; esac; done"#
    );
    let text = script(&format!("{HELLO} {serve}"));
    let mut function = function(&format!(
        "{text}, modes: [stream], limits: {{timeout: 10s, output: 1k}}"
    ));
    let much = function.call(Context::default(), event("much"));
    assert_eq!(code(much), Code::ResourceExhausted);
    assert_eq!(code(call(&mut function)), Code::Ok);
    assert_eq!(function.close(), Some(Exit::Code(0)));
}
