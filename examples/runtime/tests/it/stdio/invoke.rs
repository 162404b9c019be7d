//! `invoke`: one event in, its results out.

use std::process::Output;

use super::*;

fn invoke(manifest: &Path, event: &Value, options: &[&str]) -> Output {
    let mut command = runtime();
    command
        .arg("invoke")
        .arg(manifest)
        .args(["--isolation", "none"])
        .args(options);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Nobody may want it.
    let _ = write!(child.stdin.take().unwrap(), "{event}");
    child.wait_with_output().unwrap()
}

fn event(ty: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/test", "type": ty, "data": data})
}

#[test]
fn results_are_documents_on_stdout() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let output = invoke(
        &manifest,
        &event("flood", json!({"events": 3, "bytes": 2})),
        &[],
    );
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let data = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["data"].clone());
    assert_eq!(data.collect::<Vec<_>>(), ["yy", "yy", "yy"]);
}

#[test]
fn a_failure_is_an_exit_status_and_its_words_are_on_stderr() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let status = json!({"code": "PERMISSION_DENIED", "message": "the door is locked", "details": {"door": "7"}});
    let output = invoke(&manifest, &event("fail", status), &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(77), 0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.ends_with("PERMISSION_DENIED: the door is locked\ndoor: 7\n"),
        "{stderr}"
    );
}

#[test]
fn what_is_asked_for_is_what_the_manifest_offers() {
    let folder = folder();
    let members = json!({"command": ["tr", "a-z", "A-Z"], "modes": ["binary", "structured"]});
    let manifest = manifest(folder.path(), "f.json", &members);
    let shouted = invoke(
        &manifest,
        &event("t", json!("hello")),
        &["--mode", "binary"],
    );
    let result: Value = serde_json::from_slice(&shouted.stdout).unwrap();
    // No content type is said of the result, so it is bytes.
    assert_eq!(result["data_base64"], "IkhFTExPIg==");
    let refused = invoke(&manifest, &event("t", json!(1)), &["--mode", "stream"]);
    assert_eq!(refused.status.code(), Some(78));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(
        stderr.contains("--mode: expected one of the manifest's (binary, structured), got stream"),
        "{stderr}"
    );
}

#[test]
fn what_is_no_event_or_no_manifest_is_explained() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let no_event = invoke(&manifest, &json!({"specversion": "1.0"}), &[]);
    assert_eq!(no_event.status.code(), Some(65));
    let stderr = String::from_utf8(no_event.stderr).unwrap();
    assert!(
        stderr.contains("--event -:") && stderr.contains("event-required"),
        "{stderr}"
    );
    let no_manifest = invoke(&folder.path().join("none.yaml"), &json!({}), &[]);
    assert_eq!(no_manifest.status.code(), Some(78));
    assert!(
        String::from_utf8(no_manifest.stderr)
            .unwrap()
            .contains("none.yaml")
    );
}

#[test]
fn the_exit_status_is_the_same_if_nobody_reads_why() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = runtime();
    command.args(["invoke", "nothing.yaml"]).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(78));
}
