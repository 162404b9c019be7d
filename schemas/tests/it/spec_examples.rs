//! The examples in `spec/` keep to the schemas.

use std::fs;
use std::path::Path;

use faas_schemas::source;
use serde_json::Value;

use crate::json_schemas::validator;

#[test]
fn manifests() {
    let validator = validator(&serde_json::from_str(source::MANIFEST_JSON).unwrap());
    let blocks = blocks(|kind| kind.ends_with(" manifest"));
    assert!(blocks.len() >= 4, "only {} manifests", blocks.len());
    for (page, text) in blocks {
        // YAML is a superset of JSON, so one parser reads both.
        let manifest: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(&manifest)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{page}: {faults:?} in\n{text}");
    }
}

#[test]
fn messages() {
    let validator = validator(&serde_json::from_str(source::MESSAGE_JSON).unwrap());
    let mut messages = 0;
    for (page, text) in blocks(|kind| kind == "transcript json") {
        // A conversation in which somebody finds fault has something to find.
        let faulty = ["exit 65", "\n! ", "INVALID_ARGUMENT"]
            .iter()
            .any(|sign| text.contains(sign));
        for line in text
            .lines()
            .filter_map(|line| line.strip_prefix("> ").or(line.strip_prefix("< ")))
        {
            let Ok(message) = serde_json::from_str::<Value>(line) else {
                assert!(faulty || !line.starts_with('{'), "{page}: no JSON: {line}");
                continue;
            };
            messages += 1;
            assert!(
                faulty || validator.is_valid(&message),
                "{page}: not a message of message.json: {line}"
            );
        }
    }
    assert!(messages > 100, "only {messages} messages");
}

/// The fenced blocks of all pages whose kind, the words after the fence, is wanted.
fn blocks(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for page in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap() {
        let page = page.unwrap();
        let text = fs::read_to_string(page.path()).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else {
                continue;
            };
            let block: Vec<&str> = lines
                .by_ref()
                .take_while(|line| !line.starts_with("```"))
                .collect();
            if wanted(kind) {
                blocks.push((
                    page.file_name().to_string_lossy().into_owned(),
                    block.join("\n"),
                ));
            }
        }
    }
    blocks
}
