//! `faas-adapt`, as a process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libfaas::Event;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn adapt(arguments: &[&str], stdin: &[u8], vars: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_faas-adapt"))
        .args(arguments)
        .env_remove("FAAS_MODE")
        .envs(vars.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A program that is done before it has read all is no failure of the test.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn events_go_to_stdout_a_line_each() {
    let input = file("aws/sqs/two/input.json");
    for source in ["aws.sqs", "auto"] {
        let output = adapt(&[source], &input, &[]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        let events: Vec<_> = stdout(&output)
            .lines()
            .map(|line| Event::from_json(line.to_owned()).unwrap())
            .collect();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].id(), "2e1424d4-f796-459a-8184-9c92662be6da");
    }
    let output = adapt(&["aws.sqs", "--encoding", "protobuf"], &input, &[]);
    let mut decoder =
        libfaas::EventDecoder::new(libfaas::Encoding::Protobuf, libfaas::Limits::default());
    decoder.push(&output.stdout);
    decoder.finish();
    assert!(decoder.next().unwrap().is_some() && decoder.next().unwrap().is_some());
    assert_eq!(decoder.next().unwrap(), None);
}

#[test]
fn what_is_no_event_is_said() {
    let output = adapt(&["aws.s3"], &file("aws/s3/test-event/input.json"), &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert_eq!(
        stderr(&output),
        "faas-adapt: test: s3:TestEvent, which S3 sends when notifications of a bucket are set up; nothing has to go back\n"
    );
}

#[test]
fn what_was_meant_is_suggested() {
    for (source, payload, said) in [
        ("S3", "", "did you mean aws.s3?"),
        ("aws.apigatway-v2", "", "did you mean aws.apigateway-v2,"),
        ("nothing.like.it", "", "`faas-adapt list` names all"),
        (
            "github.webhook",
            "{}",
            r#"say it with --delivery FILE, which has {"headers":{"x-github-event":"…"}}"#,
        ),
        (
            "vmware.vsphere",
            r#"{"_typeName":"Event"}"#,
            r#"which has {"config":{"source":"…"}}"#,
        ),
        ("auto", " ", "found an empty payload; name the source"),
        ("auto", r#"{"x":1}"#, r#"found `{"x":1}`; name the source"#),
    ] {
        let output = adapt(&[source], payload.as_bytes(), &[]);
        let said_it = stderr(&output).contains(said);
        assert!(said_it, "{source}: {}", stderr(&output));
    }
}

#[test]
fn a_command_gets_the_events_and_answers_the_vendor() {
    let result = r#"{"specversion":"1.0","id":"1","source":"/f","type":"t","data":[1]}"#;
    let request = file("aws/apigateway-v2/post/input.json");
    for (command, status, body) in [
        (&["printf", "%s", result][..], 200, "[1]"),
        // What it reads is the event.
        (&["grep", "-q", "com.amazonaws.apigateway.request"], 204, ""),
        (&["sh", "-c", "exit 69"], 503, ""),
        (&["sh", "-c", "kill -9 $$"], 500, ""),
    ] {
        let arguments = [&["auto", "--"], command].concat();
        let output = adapt(&arguments, &request, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let response: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(response["statusCode"], status, "{command:?}");
        assert_eq!(response["body"], body, "{command:?}");
    }
    // Several times what fits into a pipe, both ways at once.
    let batch = r#"{"messageId":"m","eventSource":"aws:sqs","eventSourceARN":"a"},"#.repeat(5000);
    let batch = format!(r#"{{"Records":[{}]}}"#, batch.trim_end_matches(','));
    let output = adapt(&["aws.sqs", "--", "cat"], batch.as_bytes(), &[]);
    assert_eq!(stdout(&output), format!("{NONE}\n"));

    for (command, exit) in [("echo", 65), ("./no-such-command", 66)] {
        let output = adapt(&["aws.sqs", "--", command, "garbage"], &file(TWO), &[]);
        let ended = (output.status.code(), stdout(&output));
        assert_eq!(ended, (Some(exit), &*format!("{BOTH}\n")), "{command}");
        assert!(stderr(&output).contains("every event was reported as failed"));
    }
}

#[test]
fn a_command_is_not_started_in_vain() {
    let folder = std::env::temp_dir().join(format!("faas-adapt-{}", std::process::id()));
    let made = folder.to_str().unwrap();
    let validation = file("azure/eventgrid/validation/input.json");
    let output = adapt(&["auto", "--", "mkdir", made], &validation, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("validationResponse"));
    assert!(stderr(&output).starts_with("faas-adapt: handshake: "));
    let put = file("aws/s3/put/input.json");
    let output = adapt(&["aws.s3", "--", "mkdir", made], &put, &[]);
    assert_eq!(output.status.code(), Some(65));
    assert!(!folder.exists());
}

#[test]
fn what_cannot_be_mapped_is_65() {
    let output = adapt(&["aws.s3"], &file("aws/s3/no-request-id/input.json"), &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(65), ""));
    assert_eq!(
        stderr(&output),
        "faas-adapt: payload#/Records/1/responseElements/x-amz-request-id: expected a non-empty string, found nothing\n"
    );
    let output = adapt(&["auto"], b"{}", &[]);
    assert_eq!(output.status.code(), Some(65));
}

#[test]
fn wrong_usage_is_64_and_a_missing_file_66() {
    for arguments in [
        &["aws.s4"][..],
        &[],
        &["explain"],
        &["list", "aws.s3"],
        &["aws.s3", "--reply"],
        &["aws.s3", "--status", "OK"],
        &["aws.s3", "--encoding", "xml"],
        &["aws.sqs", "--reply", "--payload", "x", "--", "cat"],
    ] {
        let output = adapt(arguments, b"", &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
    }
    let output = adapt(&["aws"], b"", &[]);
    assert!(stderr(&output).contains("did you mean aws.s3, aws.sqs"));
    let output = adapt(&["aws.s3", "--delivery", "no-such-file"], b"{}", &[]);
    assert_eq!(output.status.code(), Some(66));
}

#[test]
fn a_delivery_is_described_by_a_file() {
    let delivery = fixture("aws/sns/subscription-confirmation/delivery.json");
    let input = file("aws/sns/subscription-confirmation/input.json");
    let output = adapt(
        &["auto", "--delivery", delivery.to_str().unwrap()],
        &input,
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let event = Event::from_json(stdout(&output).to_owned()).unwrap();
    assert_eq!(event.ty(), "com.amazonaws.sns.SubscriptionConfirmation");
    assert!(
        stderr(&output).contains("handshake: "),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output)
            .contains("GET https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription")
    );
}

#[test]
fn mappings_are_listed_and_explained() {
    let output = adapt(&["list"], b"", &[]);
    assert_eq!(
        stdout(&output).lines().count(),
        faas_adapters::ADAPTERS.len()
    );
    assert!(stdout(&output).starts_with("aws.s3 "));
    let output = adapt(&["explain", "aws.sqs"], b"", &[]);
    assert!(stdout(&output).contains("| `id` | `messageId` |"));
    assert!(stdout(&output).contains("Known by: "));
}

fn reply(source: &str, payload: &str, stdin: &str, more: &[&str]) -> Output {
    let payload = fixture(payload);
    let mut arguments = vec![source, "--reply", "--payload", payload.to_str().unwrap()];
    arguments.extend(more);
    adapt(&arguments, stdin.as_bytes(), &[])
}

const TWO: &str = "aws/sqs/two/input.json";
const BOTH: &str = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"},{"itemIdentifier":"2e1424d4-f796-459a-8184-9c92662be6da"}]}"#;
const FIRST: &str =
    r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;
const SECOND: &str =
    r#"{"batchItemFailures":[{"itemIdentifier":"2e1424d4-f796-459a-8184-9c92662be6da"}]}"#;
const NONE: &str = r#"{"batchItemFailures":[]}"#;

#[test]
fn calls_of_a_stream_answer_the_records_of_a_batch() {
    let hello = r#"{"hello":{"fsi":"1.0"}}"#;
    let ok = |call: u32| format!(r#"{{"call":{call},"end":{{}}}}"#);
    let first = |call: u32| {
        let event = r#"{"specversion":"1.0","id":"1","source":"/f","type":"t","datacontenttype":"text/plain","data":"a"}"#;
        format!(r#"{{"call":{call},"event":{event},"more":true}}"#)
    };
    let rest = |call: u32| format!(r#"{{"call":{call},"chunk":"Yg==","end":{{}}}}"#);
    for (calls, failures) in [
        (format!("{}\n{}", ok(2), ok(1)), NONE),
        (ok(1), SECOND),
        (
            format!("{}\n{}", ok(1), r#"{"call":2,"end":{"code":"INTERNAL"}}"#),
            SECOND,
        ),
        (format!("{}\n{}\n{}", ok(1), ok(2), ok(2)), SECOND),
        (format!("{}\n{}\n{}", ok(1), ok(2), ok(3)), BOTH),
        (String::new(), BOTH),
        // Data in pieces that don't fit together: nobody knows what was meant.
        (
            format!("{}\n{}\n{}\n{}", first(1), first(1), rest(1), ok(2)),
            FIRST,
        ),
        (format!("{}\n{}", rest(1), ok(2)), FIRST),
        (
            format!("{}\n{}", r#"{"call":1,"event":{"id":"1"},"end":{}}"#, ok(2)),
            FIRST,
        ),
        (format!("{}\n{}\n{}", first(1), rest(1), ok(2)), NONE),
    ] {
        let output = reply("aws.sqs", TWO, &format!("{hello}\n{calls}\n"), &[]);
        assert_eq!(
            stdout(&output),
            format!("{failures}\n"),
            "{calls}: {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(0));
    }
    let cut = format!("{hello}\n{}\n{{\"call\":2,\"en", ok(1));
    let output = reply("aws.sqs", TWO, &cut, &[]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(65), &*format!("{BOTH}\n"))
    );
}

#[test]
fn events_answer_with_a_status() {
    let get = "aws/apigateway-v2/post/input.json";
    let event = r#"{"specversion":"1.0","id":"1","source":"/f","type":"t","data":[1]}"#;
    let status = |output: &Output| {
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        value["statusCode"].as_u64().unwrap()
    };
    let output = reply("aws.apigateway-v2", get, event, &["--status", "OK"]);
    assert_eq!(status(&output), 200);
    assert!(stdout(&output).contains(r#""body":"[1]""#));
    for (options, code) in [
        (&["--exit-status", "0"][..], 200),
        (&["--exit-status", "69"], 503),
        (&["--status", "NOT_FOUND"], 404),
        (&[], 500),
    ] {
        assert_eq!(
            status(&reply("auto", get, event, options)),
            code,
            "{options:?}"
        );
    }
    for (options, failures) in [(&["--status", "OK"][..], NONE), (&[], BOTH)] {
        let output = reply("aws.sqs", TWO, "", options);
        assert_eq!(stdout(&output), format!("{failures}\n"));
    }
}

#[test]
fn a_handshake_has_its_reply() {
    let delivery = fixture("aws/sns/subscription-confirmation/delivery.json");
    let payload = "aws/sns/subscription-confirmation/input.json";
    let options = ["--delivery", delivery.to_str().unwrap(), "--status", "OK"];
    let output = reply("aws.sns", payload, "", &options);
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert!(
        lines[0].starts_with(r#"{"visit":"https://sns."#),
        "{lines:?}"
    );
    assert_eq!(lines[1], r#"{"body":"","headers":{},"status":204}"#);
    let output = reply("aws.s3", "aws/s3/put/input.json", "", &["--status", "OK"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("aws.s3, which expects none"));
}

#[test]
fn under_faas_mode_it_is_a_function() {
    let payload = String::from_utf8(file(TWO)).unwrap();
    let event = Event::builder("in", "/queue", "delivered")
        .datacontenttype("application/json")
        .data(payload.as_str())
        .build()
        .unwrap();
    let input = format!("{}\n", event.to_json());
    let structured = [("FAAS_MODE", "structured"), ("FAAS_SPEC", "1.0")];
    let output = adapt(&["aws.sqs"], input.as_bytes(), &structured);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 2);

    let hello = r#"{"hello":{"fsi":"1.0"}}"#;
    let call = |number: u32, event: &Event| {
        format!(
            "{{\"call\":{number},\"event\":{},\"end\":{{}}}}",
            event.to_json()
        )
    };
    let cognito = String::from_utf8(file("aws/cognito/pre-sign-up/input.json")).unwrap();
    let refused = event.to_builder().data(cognito).build().unwrap();
    let input = format!("{hello}\n{}\n{}\n", call(1, &event), call(2, &refused));
    let stream = [("FAAS_MODE", "stream"), ("FAAS_SPEC", "1.0")];
    let output = adapt(&["auto"], input.as_bytes(), &stream);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(r#""code":"INVALID_ARGUMENT""#));
    assert!(stdout(&output).contains("the Cognito trigger PreSignUp_SignUp"));
    assert_eq!(
        stdout(&output).matches("com.amazonaws.sqs.message").count(),
        2
    );

    for (arguments, mode, exit) in [
        (&["auto"][..], "binary", 78),
        (&["auto", "--", "cat"], "stream", 64),
    ] {
        let output = adapt(arguments, b"", &[("FAAS_MODE", mode)]);
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
    }

    let output = adapt(&["auto"], b"", &[("FAAS_MODE", "describe")]);
    assert!(
        stdout(&output).contains(r#""name":"faas-adapt""#),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_platform_describes_the_delivery_in_the_context() {
    let payload = String::from_utf8(file("aws/sns/notification/input.json")).unwrap();
    let description = String::from_utf8(file("aws/sns/notification/delivery.json")).unwrap();
    let event = Event::builder("in", "/", "fsi.http.request")
        .datacontenttype("text/plain")
        .data(payload);
    let input = format!("{}\n", event.build().unwrap().to_json());
    let description = description.replace('\n', " ");
    let vars = [
        ("FAAS_MODE", "structured"),
        ("FAAS_SPEC", "1.0"),
        ("FAAS_X_DELIVERY", &*description),
    ];
    let output = adapt(&["auto"], input.as_bytes(), &vars);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("com.amazonaws.sns.Notification"));
}
