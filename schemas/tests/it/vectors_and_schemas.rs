//! The JSON Schemas and the JSON vectors say the same about every event and message.

use std::collections::BTreeSet;

use faas_schemas::source;
use serde_json::Value;

use crate::{json_schemas, vectors};

/// What a schema cannot see, or says of senders only. An entry that no longer holds fails.
const BEYOND: [(&str, &str); 10] = [
    (
        "json/event-invalid/attribute 1.0",
        "1.0 is an integer to JSON Schema",
    ),
    (
        "json/event-invalid/attribute 1e2",
        "1e2 is an integer to JSON Schema",
    ),
    (
        "json/event-invalid/U+FFFE in an attribute",
        "not in the pattern",
    ),
    (
        "json/event-invalid/U+FDD0 in an attribute",
        "not in the pattern",
    ),
    (
        "json/event-invalid/U+1FFFF in an attribute",
        "not in the pattern",
    ),
    (
        "json/event-invalid/data_base64 with spare bits",
        "not in the pattern",
    ),
    (
        "json/message-invalid/chunk with spare bits",
        "not in the pattern",
    ),
    (
        "json/message-invalid/call 1.0",
        "1.0 is an integer to JSON Schema",
    ),
    (
        "json/message-valid/end with an unknown code",
        "no sender may write it",
    ),
    (
        "json/message-valid/end with a code in small letters",
        "no sender may write it",
    ),
];

#[test]
fn schemas_and_vectors_agree() {
    let mut beyond: BTreeSet<&str> = BEYOND.iter().map(|(vector, _)| *vector).collect();
    let mut disagreements = Vec::new();
    let mut compared = 0;
    let files = vectors::files();
    for (shape, schema) in [
        ("event", source::EVENT_JSON),
        ("message", source::MESSAGE_JSON),
    ] {
        let validator = json_schemas::validator(&serde_json::from_str(schema).unwrap());
        for validity in ["valid", "invalid"] {
            let file = format!("json/{shape}-{validity}");
            for vector in &files[&file] {
                // Text that is no JSON never gets to a schema, and a parsed document does not show what stood twice.
                let text = vector
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let Ok(document) = serde_json::from_str::<Value>(text) else {
                    continue;
                };
                if vector
                    .get("breaks")
                    .is_some_and(|rule| rule == "json-duplicate-member")
                {
                    continue;
                }
                compared += 1;
                let name = format!("{file}/{}", vector["name"].as_str().unwrap());
                let agree = validator.is_valid(&document) == (validity == "valid");
                if agree == beyond.remove(name.as_str()) {
                    disagreements.push(name);
                }
            }
        }
    }
    assert!(
        disagreements.is_empty(),
        "the schema says otherwise, or is listed and agrees: {disagreements:?}"
    );
    assert!(beyond.is_empty(), "listed, but not compared: {beyond:?}");
    assert!(compared > 150, "only {compared} documents were compared");
}
