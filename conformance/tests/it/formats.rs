//! What machines read.

use serde_json::Value;

use crate::suite::Suite;

const PROBE: &str = env!("CARGO_BIN_EXE_faas-probe");

fn report(suite: &Suite, format: &str, subject: &[&str]) -> (String, i32) {
    let fixed = [
        "function",
        "--mode",
        "stream",
        "--encoding",
        "json",
        "--sample",
        "s.json",
    ];
    let how = [
        "--seed",
        "1",
        "--timeout-scale",
        "0.3",
        "--filter",
        "context/*",
        "--format",
        format,
        "--",
    ];
    let output = suite.run(&[&fixed[..], &how, subject].concat());
    (
        String::from_utf8(output.stdout).expect("text"),
        output.status.code().expect("an exit status"),
    )
}

fn result<'a>(report: &'a Value, case: &str) -> &'a Value {
    let id = format!("{case}#stream/json");
    let results = report["results"].as_array().expect("results");
    results
        .iter()
        .find(|r| r["id"] == *id)
        .expect("the case was considered")
}

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../../schemas/json/report.json");
    jsonschema::validator_for(&serde_json::from_str(text).expect("JSON")).expect("a schema")
}

#[test]
fn json_is_what_its_schema_says() {
    let suite = Suite::new();
    for (subject, status) in [
        (&[PROBE][..], 0),
        (&[PROBE, "--fault", "context-lost"], 1),
        (&["false"], 1),
    ] {
        let (text, exit) = report(&suite, "json", subject);
        assert_eq!(exit, status, "{subject:?}");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let errors: Vec<String> = schema()
            .iter_errors(&json)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{subject:?}:\n{}", errors.join("\n"));
    }
}

#[test]
fn a_json_report_is_rendered_in_every_format() {
    let suite = Suite::new();
    let (json, _) = report(&suite, "json", &[PROBE, "--fault", "context-lost"]);
    suite.file("report.json", &json);
    for (format, begins) in [
        ("human", "FAIL"),
        ("tap", "1.."),
        ("junit", "<?xml"),
        ("markdown", "# "),
        ("json", "{"),
    ] {
        let output = suite.run(&["report", "report.json", "--format", format]);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.starts_with(begins), "{format}: {text}");
        assert!(text.contains("context/copied"), "{format}: {text}");
        assert!(
            text.contains("context-copied") || format == "tap",
            "{format}: {text}"
        );
    }
}

#[test]
fn tap_and_junit_count_what_failed() {
    let suite = Suite::new();
    let (tap, _) = report(&suite, "tap", &[PROBE, "--fault", "context-lost"]);
    let lines = |begin: &str| tap.lines().filter(|l| l.starts_with(begin)).count();
    let plan: usize = tap
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("1.."))
        .expect("a plan")
        .parse()
        .expect("a number");
    assert_eq!(lines("ok ") + lines("not ok "), plan);
    assert!(lines("not ok ") >= 1);
    let (junit, _) = report(&suite, "junit", &[PROBE, "--fault", "context-lost"]);
    assert_eq!(
        junit.matches("<failure").count(),
        lines("not ok "),
        "{junit}"
    );
}

#[test]
fn a_known_failure_is_no_failure_until_it_passes() {
    let suite = Suite::new();
    suite.file(
        "known.txt",
        "# until the library copies contexts\ncontext/copied\n",
    );
    let judge = |subject: &[&str]| {
        let fixed = [
            "function",
            "--mode",
            "stream",
            "--encoding",
            "json",
            "--sample",
            "s.json",
            "--filter",
            "context/copied",
        ];
        let how = [
            "--known-failing",
            "known.txt",
            "--timeout-scale",
            "0.3",
            "--format",
            "json",
            "--",
        ];
        let output = suite.run(&[&fixed[..], &how, subject].concat());
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let profile = json["profiles"][0]["verdict"]
            .as_str()
            .expect("a verdict")
            .to_owned();
        (
            result(&json, "context/copied")["verdict"]
                .as_str()
                .expect("a verdict")
                .to_owned(),
            profile,
            output.status.code(),
        )
    };
    assert_eq!(
        judge(&[PROBE, "--fault", "context-lost"]),
        ("known-fail".to_owned(), "no".to_owned(), Some(0))
    );
    assert_eq!(
        judge(&[PROBE]),
        ("fail".to_owned(), "no".to_owned(), Some(1))
    );
}

#[test]
fn the_same_seed_sends_the_same() {
    let suite = Suite::new();
    let sent = || {
        let (json, _) = report(&suite, "json", &[PROBE, "--fault", "context-lost"]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let entries = result(&json, "context/copied")["transcript"]
            .as_array()
            .expect("a transcript")
            .clone();
        let of_suite = entries.into_iter().filter(|e| e["direction"] == "stdin");
        of_suite
            .map(|e| e["bytes"].as_str().expect("bytes").to_owned())
            .collect::<String>()
    };
    let first = sent();
    assert!(!first.is_empty());
    assert_eq!(first, sent());
}

#[test]
fn control_characters_of_a_subject_stay_out_of_what_people_read() {
    let suite = Suite::new();
    let shell = "cat >/dev/null; printf '\\033[2J\\007]]>&<'; exit 3";
    for format in ["human", "tap", "junit", "markdown"] {
        let fixed = ["adapter", "--source", "aws.s3", "--filter", "aws.s3/cut"];
        let how = ["--format", format, "--", "sh", "-c", shell];
        let output = suite.run(&[&fixed[..], &how].concat());
        assert_eq!(output.status.code(), Some(1), "{format}");
        let seen = [output.stdout, output.stderr].concat();
        let control = |byte: &u8| *byte < b' ' && *byte != b'\n';
        let text = String::from_utf8_lossy(&seen);
        assert!(!seen.iter().any(control), "{format}: {text:?}");
        assert!(text.contains("exited with status 3"), "{format}: {text}");
    }
}
