//! Cases that somebody writes, and subjects on which the built-in ones would not agree.

use crate::suite::Suite;

const ANY: &str =
    r#""specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain""#;

/// What people see of a case of their own, for a function in Shell, and the exit status.
fn judged(mode: &[&str], steps: &str, shell: &str) -> (String, i32) {
    let suite = Suite::new();
    std::fs::create_dir_all(suite.folder.path().join("cases/own")).expect("a folder");
    let case = format!(
        "title = 't'\nrequires = ['stream-end-once']\nwhy = 'w'\nsubject = 'function'\n\
         modes = ['binary', 'stream']\nsteps = [\n{steps}\n]\n"
    );
    suite.file("cases/own/case.toml", &case);
    let fixed = [
        "function",
        "--cases",
        "cases",
        "--sample",
        "s.json",
        "--timeout-scale",
        "6",
    ];
    let output = suite.run(&[&fixed[..], mode, &["--", "sh", "-c", shell]].concat());
    let text = String::from_utf8(output.stderr).expect("people read text");
    (text, output.status.code().expect("an exit status"))
}

/// As [`judged`], for a function in stream mode that answers the first call with these lines.
fn answered(steps: &str, lines: &[&str]) -> (String, i32) {
    let hello = r#"{"hello":{"fsi":"1.0","producer":"odd"}}"#;
    let lines = lines.join("\n");
    let shell = format!(
        "read -r hello; echo '{hello}'; read -r call; printf '%s\\n' '{lines}'; cat >/dev/null"
    );
    judged(&["--mode", "stream", "--encoding", "json"], steps, &shell)
}

const CALL: &str = r#"{ send = '{"call": 1, "end": {}}' }"#;
const END: &str = r#"{ close = "stdin" }, { wait = 0 }, { nothing-else = true }"#;

#[test]
fn a_chunk_in_the_message_of_its_event_is_malformed() {
    let steps = format!(r#"{CALL}, {{ await = '{{"call": 1, "end": "$any"}}' }}"#);
    for more in ["", r#","more":true"#] {
        let event = format!(r#"{{"call":1,"event":{{{ANY},"data":"ca"}},"chunk":"ZsOp"{more}}}"#);
        let (seen, status) = answered(&steps, &[&event, r#"{"call":1,"end":{}}"#]);
        assert_eq!(status, 1, "{seen}");
        assert!(seen.contains("chunk-without-event"), "{seen}");
    }
}

#[test]
fn an_event_that_is_never_complete_is_more_than_nothing() {
    let steps = format!(r#"{CALL}, {{ expect = '{{"call": 1, "end": "$any"}}' }}, {END}"#);
    let (seen, status) = answered(&steps, &[r#"{"call":1,"end":{}}"#]);
    assert_eq!(status, 0, "{seen}");
    let begun = format!(r#"{{"call":1,"event":{{{ANY},"data":"ca"}},"more":true}}"#);
    let (seen, status) = answered(&steps, &[r#"{"call":1,"end":{}}"#, &begun]);
    assert_eq!(status, 1, "{seen}");
    assert!(seen.contains("an event that is not complete"), "{seen}");
}

#[test]
fn a_flood_of_small_messages_is_not_kept() {
    let steps = format!(r#"{CALL}, {{ expect = '{{"call": 1, "end": "$any"}}' }}"#);
    let hello = r#"{"hello":{"fsi":"1.0","producer":"odd"}}"#;
    let shell = format!("read -r hello; echo '{hello}'; exec yes '{{\"call\":5,\"end\":{{}}}}'");
    let (seen, status) = judged(&["--mode", "stream", "--encoding", "json"], &steps, &shell);
    assert_eq!(status, 1, "{seen}");
    assert!(seen.contains("for which nothing asks"), "{seen}");
}

#[test]
fn a_round_goes_on_after_the_rounds_inside_it() {
    let steps = r#"{ repeat = 2, steps = [
        { repeat = 3, steps = [{ send = '{"call": 9}' }] },
        { send = '{"call": "$n", "end": {}}' },
        { expect = '{"call": "$n", "end": "$any"}' },
    ] }"#;
    let ends = [r#"{"call":1,"end":{}}"#, r#"{"call":2,"end":{}}"#];
    let (seen, status) = answered(steps, &ends);
    assert_eq!(status, 0, "{seen}");
}

#[test]
fn a_pattern_with_a_member_that_never_comes_is_no_pattern() {
    let steps = format!(r#"{CALL}, {{ expect = '{{"call": 1, "ned": {{"code": "OK"}}}}' }}"#);
    let (seen, status) = answered(&steps, &[r#"{"call":1,"end":{"code":"ABORTED"}}"#]);
    assert_eq!(status, 2, "{seen}");
    assert!(seen.contains("`ned`"), "{seen}");
}

#[test]
fn a_whole_event_in_binary_mode_has_to_be_equal() {
    let suite = Suite::new();
    std::fs::create_dir_all(suite.folder.path().join("cases/own")).expect("a folder");
    suite.file(
        "cases/own/case.toml",
        "title = 't'\nrequires = ['oneshot-success']\nwhy = 'w'\nsubject = 'function'\nmodes = ['binary']\n\
         steps = [{ invoke = '\"$sample\"' }, { wait = 0 }, { expect = '\"$sample\"' }]\n",
    );
    suite.file("dots.json", &format!(r#"{{{ANY},"data":"from a to …"}}"#));
    let judge = |shell: &str| {
        let fixed = [
            "function",
            "--cases",
            "cases",
            "--mode",
            "binary",
            "--sample",
            "dots.json",
            "--",
            "sh",
            "-c",
            shell,
        ];
        let output = suite.run(&fixed);
        (
            String::from_utf8_lossy(&output.stderr).into_owned(),
            output.status.code(),
        )
    };
    let (seen, status) = judge("cat");
    assert_eq!(status, Some(0), "{seen}");
    let (seen, status) = judge("cat >/dev/null; printf 'from a to z'");
    assert_eq!(status, Some(1), "{seen}");
}

#[test]
fn folders_that_a_subject_closed_are_removed() {
    let suite = Suite::new();
    let own = suite.folder.path().join("own");
    std::fs::create_dir(&own).expect("a folder");
    let shell = "mkdir -p \"$TMPDIR/a/b\"; : >\"$TMPDIR/a/b/c\"; chmod 000 \"$TMPDIR/a/b\" \"$TMPDIR/a\"; cat";
    let fixed = ["function", "--mode", "binary", "--sample", "s.json"];
    let output = suite
        .command(&[&fixed[..], &["--", "sh", "-c", shell]].concat())
        .env("TMPDIR", &own)
        .output()
        .expect("the suite starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left: Vec<_> = std::fs::read_dir(&own).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
}
