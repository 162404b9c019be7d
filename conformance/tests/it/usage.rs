//! Bad input gets one clear error, and nothing is started.

use crate::suite::{Suite, filters};

/// The exit status and what stands on stderr, for several command lines.
fn refusals(suite: &Suite, lines: &[&[&str]]) -> String {
    let mut seen = String::new();
    for args in lines {
        let output = suite.run(args);
        assert!(
            output.stdout.is_empty(),
            "an error belongs on stderr: {args:?}"
        );
        let status = output.status.code().expect("an exit status");
        let folder = suite.folder.path().canonicalize().expect("it is there");
        let text =
            String::from_utf8_lossy(&output.stderr).replace(&*folder.to_string_lossy(), "FOLDER");
        seen.push_str(&format!(
            "$ faas-conformance {}\n{text}exit {status}\n\n",
            args.join(" ")
        ));
    }
    seen
}

#[test]
fn refused_with_advice() {
    let suite = Suite::new();
    suite.file(
        "no-event.json",
        r#"{"specversion":"1.0","id":"1","type":"t"}"#,
    );
    suite.file("no-json.json", "hello");
    suite.file(
        "unknown-key.yaml",
        "fsi: \"1.0\"\nname: a\ncommand: [cat]\nmodes: [stream]\nconcurency: 4\n",
    );
    suite.file(
        "two.yaml",
        "fsi: \"1.0\"\nname: a\ncommand: [cat]\npipeline: [{command: [cat]}]\nmodes: [stream]\n",
    );
    suite.file(
        "samples.yaml",
        "fsi: \"1.0\"\nname: a\ncommand: [cat]\nmodes: [stream]\nsamples: [gone.json]\n",
    );
    suite.file("known.txt", "# a comment\nmessages/no-such-case\n");
    let stream: &[&str] = &[
        "function",
        "--mode",
        "stream",
        "--encoding",
        "json",
        "--sample",
    ];
    let with = |rest: &[&'static str]| [stream, rest].concat();
    let seen = refusals(
        &suite,
        &[
            &["function", "--", "cat"],
            &[
                "function", "--mode", "stream", "--sample", "s.json", "--", "cat",
            ],
            &["function", "--mode", "binary", "--", "cat"],
            &with(&["s.json"]),
            &with(&["gone.json", "--", "cat"]),
            &with(&["no-event.json", "--", "cat"]),
            &with(&["no-json.json", "--", "cat"]),
            &with(&["s.json", "--", "./does-not-exist"]),
            &with(&["s.json", "--", "./s.json"]),
            &with(&["s.json", "--", "no-such-program-anywhere"]),
            &with(&["s.json", "--filter", "no-such-case", "--", "cat"]),
            &with(&["s.json", "--profile", "no-such-profile", "--", "cat"]),
            &with(&["s.json", "--known-failing", "known.txt", "--", "cat"]),
            &["function", "--manifest", "gone.yaml"],
            &["function", "--manifest", "unknown-key.yaml"],
            &["function", "--manifest", "two.yaml"],
            &["function", "--manifest", "samples.yaml"],
            &["explain", "stream-end-one"],
            &["report", "s.json"],
        ],
    );
    filters().bind(|| insta::assert_snapshot!(seen));
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let output = Suite::new().run(&["function", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let help = Suite::new().run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(!help.stdout.is_empty());
}
