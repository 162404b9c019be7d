//! `bench`: the form of what it prints, and whom it refuses. Figures are the machine's business.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::suite::Suite;

/// A driver that is its own runtime: it becomes the function of the manifest.
const BARE: &str = r#"cd "$(dirname "$0")" && exec ./echo --bench-program function"#;
/// As short as can be: one turn has a few rounds.
const SHORT: [&str; 2] = ["--seconds", "0.05"];

fn bench(options: &[&str], shell: &str) -> Output {
    let command = ["--", "sh", "-c", shell];
    Suite::new().run(&[&["bench"], options, &SHORT, &command].concat())
}

fn stream(options: &[&str], shell: &str) -> Output {
    let fixed = ["function", "--mode", "stream", "--encoding", "json"];
    bench(&[&fixed, options].concat(), shell)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("people read text")
}

/// A table without what the machine decides: figures stand in the third, fourth, sixth and last column.
fn form(table: &str) -> String {
    let mut form = String::new();
    for (number, line) in table.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').collect();
        match (number, cells.len()) {
            (0, _) => {
                let head = line
                    .split(", ")
                    .nth(1)
                    .expect("the cores")
                    .split(' ')
                    .next_back();
                assert_eq!(head, Some("cores"), "{line}");
                continue;
            }
            (_, 9) => {
                let shown = cells.iter().enumerate().map(|(place, cell)| match place {
                    3 | 4 | 6 | 7 if cell.contains(|c: char| c.is_ascii_digit()) && number > 3 => {
                        format!("{:<width$}", " N", width = cell.chars().count())
                    }
                    _ => (*cell).to_owned(),
                });
                form.push_str(&shown.collect::<Vec<_>>().join("|"));
            }
            _ => form.push_str(line),
        }
        form.push('\n');
    }
    form
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(why), "expected `{why}`, got: {said}");
    assert!(!text(&output.stdout).contains("median\":"), "no figures");
}

#[test]
fn table_of_a_function() {
    let modes = ["stream", "structured", "binary"].map(|mode| ["--mode", mode]);
    let options = ["--encoding", "json", "--concurrency", "4"];
    let output = bench(
        &[&["function"], &modes.concat()[..], &options].concat(),
        "exec cat",
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("bench_function", form(&text(&output.stdout)));
    });
}

#[test]
fn events_in_every_encoding_are_as_structured_mode_has_them() {
    let encodings = ["json", "protobuf", "capnp"].map(|encoding| ["--encoding", encoding]);
    let options = ["function", "--mode", "structured", "--json"];
    // The suite's decoder refuses what has no delimiter.
    let output = bench(&[&options, &encodings.concat()[..]].concat(), "exec cat");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    let measured = rows.iter().filter(|row| row["figure"].is_object());
    assert_eq!(measured.count(), 3, "{rows:?}");
}

#[test]
fn table_of_a_runtime() {
    let output = bench(&["runtime"], BARE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("bench_runtime", form(&text(&output.stdout)));
    });
}

/// The members that the first column of README.md's tables names, behind this heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../src/bench/README.md");
    let (_, table) = page.split_once(heading).expect("the page has it");
    let rows = table.lines().skip_while(|line| !line.starts_with("| `"));
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn members(value: &Value) -> BTreeSet<String> {
    let members = value.as_object().expect("an object");
    members.keys().cloned().collect()
}

#[test]
fn json_is_as_documented() {
    let output = stream(
        &["--json", "--sizes", "--sample", "s.json", "--only", "call"],
        "exec cat",
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(members(&report), documented("## JSON"));
    let rows = report["rows"].as_array().expect("rows");
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(
        ids,
        [
            "call/sample",
            "call/64",
            "call/1024",
            "call/65536",
            "call/1048576"
        ]
    );
    for row in rows {
        assert_eq!(members(row), documented("A row:"));
        assert_eq!(row["profile"], "stream/json");
        let number = |pointer: &str| row.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
        let (median, best) = (number("/figure/median"), number("/figure/best"));
        assert!(0.0 < best && best <= median, "{row}");
        assert!(
            median <= number("/figure/p99") || number("/figure/rounds") < 100.0,
            "{row}"
        );
        assert!(
            number("/limit/median") > 0.0 && number("/ratio") > 0.0,
            "{row}"
        );
    }
}

#[test]
fn an_error_is_left_out_and_said() {
    let failing = r#"read -r hello; echo "$hello"
        while read -r _; do echo '{"call":1,"end":{"code":"INVALID_ARGUMENT"}}'; done"#;
    let output = stream(&[], failing);
    refused(&output, "every event was answered with an error");
    let table = text(&output.stdout);
    assert!(
        table.contains("left out: ended with INVALID_ARGUMENT"),
        "{table}"
    );
    // The start is measured all the same: nothing is called.
    assert_eq!(table.matches("left out").count(), 7, "{table}");
}

#[test]
fn wrong_answers_are_refused() {
    let hello = r#"read -r hello; echo "$hello"; "#;
    let answer = |rest: &str| stream(&["--json"], &format!("{hello}{rest}"));
    refused(&stream(&["--json"], "echo hi; exec cat"), "hello-missing");
    refused(
        &answer(r#"read -r _; echo '{"call":7,"end":{}}'; exec cat"#),
        "call 7, which is not open",
    );
    refused(
        &answer("read -r _; echo '{]'; exec cat"),
        "no stream of messages",
    );
    refused(
        &answer("read -r _; echo oops >&2; exit 3"),
        "exited with status 3; its stderr ends with\n    oops",
    );
    let no_event =
        r#"read -r _; echo '{"call":1,"event":{"specversion":"1.0"},"end":{}}'; exec cat"#;
    refused(&answer(no_event), "no valid event");
    let unwilling =
        r#"echo '{"call":0,"hello":{"fsi":"1.0","status":{"code":"UNAVAILABLE"}}}'; exec cat"#;
    refused(
        &stream(&["--json"], unwilling),
        "its hello says UNAVAILABLE",
    );
    // Right at first, wrong later.
    let later = r#"n=0; while read -r _; do n=$((n+1)); c=OK; [ $n -lt 3 ] || c=INTERNAL
        echo "{\"call\":$n,\"end\":{\"code\":\"$c\"}}"; done"#;
    refused(
        &stream(
            &["--only", "call, 64 B", "--json"],
            &format!("{hello}{later}"),
        ),
        "after another had ended with OK",
    );
    let structured = [
        "function",
        "--mode",
        "structured",
        "--encoding",
        "json",
        "--json",
    ];
    refused(&bench(&structured, "echo hi"), "no stream of events");
}

#[test]
fn what_a_runtime_changes_is_refused() {
    let changing = format!(
        r#"({BARE}) | while IFS= read -r line; do
        printf '%s\n' "$line" | sed s/xxxxxxxx/xxxxyxxx/; done"#
    );
    let output = bench(&["runtime", "--json", "--only", "call"], &changing);
    refused(&output, "did not come back as it was sent");
}

#[test]
fn a_hanging_subject_is_bounded() {
    let begin = Instant::now();
    let hanging = r#"read -r hello; echo "$hello"; exec sleep 600"#;
    let output = stream(&["--timeout", "0.5", "--only", "call"], hanging);
    refused(
        &output,
        "no answer came within 0.5 s; its process is running",
    );
    let structured = ["function", "--mode", "binary", "--timeout", "0.5"];
    refused(
        &bench(&structured, "exec sleep 600"),
        "did not exit within 0.5 s",
    );
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_not_there_is_a_usage_error() {
    let output = stream(&["--only", "no such row"], "exec cat");
    assert_eq!(output.status.code(), Some(64));
    let output = Suite::new().run(&["bench", "function", "--seconds", "0", "--", "cat"]);
    assert_eq!(output.status.code(), Some(64));
}
