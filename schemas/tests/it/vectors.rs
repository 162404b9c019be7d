//! The vectors are what `vectors/README.md` says, and cite rules that exist. What they mean is tested by `libfaas` and by
//! `vectors/check.py` and `vectors/check.mjs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

const ENCODINGS: [&str; 3] = ["json", "protobuf", "capnp"];
const SHAPES: [&str; 4] = ["event", "message", "events", "messages"];

#[test]
fn there_are_enough_of_each_kind() {
    let mut total = 0;
    for (file, vectors) in files() {
        assert!(
            vectors.len() >= 3,
            "{file} has only {} vectors",
            vectors.len()
        );
        total += vectors.len();
    }
    assert!(total >= 200, "{total} vectors");
}

#[test]
fn names_are_unique_within_a_file() {
    for (file, vectors) in files() {
        let mut names = BTreeSet::new();
        for vector in &vectors {
            assert!(
                names.insert(vector["name"].as_str().unwrap()),
                "{file}: {} stands twice",
                vector["name"]
            );
        }
    }
}

#[test]
fn every_vector_has_the_members_of_its_kind() {
    for (file, vectors) in files() {
        let (shape, validity) = file.split_once('/').unwrap().1.split_once('-').unwrap();
        for vector in &vectors {
            let name = &vector["name"];
            let mut allowed = vec!["name", "why", "origin", "bytes"];
            if file.starts_with("json/") {
                allowed.push("text");
            }
            if validity == "valid" {
                allowed.push("meaning");
                let list = shape.ends_with('s');
                assert_eq!(
                    vector["meaning"].is_array(),
                    list,
                    "{file}: {name}: the meaning of a stream is a list"
                );
                assert_eq!(
                    vector["meaning"].is_object(),
                    !list,
                    "{file}: {name}: the meaning of one is an object"
                );
            } else {
                allowed.extend(["breaks", "severity"]);
                match vector["severity"].as_str() {
                    Some("event") if shape == "message" => {
                        allowed.push("call");
                        assert!(
                            vector["call"].is_u64(),
                            "{file}: {name}: the call that it costs"
                        );
                    }
                    Some("event" | "malformed") => {}
                    other => panic!("{file}: {name}: severity {other:?}"),
                }
                if shape.ends_with('s') {
                    allowed.extend(["before", "stateful"]);
                    assert!(
                        vector["before"].is_u64(),
                        "{file}: {name}: how many are whole before it"
                    );
                }
            }
            for text in ["name", "why", "origin"] {
                assert!(
                    vector[text].as_str().is_some_and(|text| !text.is_empty()),
                    "{file}: {name}: {text}"
                );
            }
            assert!(
                vector.contains_key("bytes") != vector.contains_key("text"),
                "{file}: {name}: bytes or text"
            );
            if let Some(hex) = vector.get("bytes") {
                let hex = hex.as_str().unwrap();
                assert!(
                    hex.len() % 2 == 0
                        && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                    "{file}: {name}"
                );
            }
            for member in vector.keys() {
                assert!(
                    allowed.contains(&member.as_str()),
                    "{file}: {name}: unknown member {member}"
                );
            }
        }
    }
}

#[test]
fn every_broken_rule_is_one_of_the_specification() {
    let rules = rules();
    let mut unknown = BTreeSet::new();
    for (file, vectors) in files() {
        let cited = vectors.iter().flat_map(|vector| {
            let in_meaning = vector
                .get("meaning")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|item| &item["invalid"]);
            vector
                .get("breaks")
                .into_iter()
                .chain(in_meaning)
                .filter_map(Value::as_str)
        });
        unknown.extend(
            cited
                .filter(|rule| !rules.contains(*rule))
                .map(|rule| format!("{rule} in {file}")),
        );
    }
    assert!(unknown.is_empty(), "no such rules in spec/: {unknown:?}");
}

#[test]
fn disagreements_name_vectors() {
    let files = files();
    let text = fs::read_to_string(folder().join("disagreements.json")).unwrap();
    let entries: Vec<Map<String, Value>> = serde_json::from_str(&text).unwrap();
    for entry in entries {
        assert!(
            entry["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{entry:?}"
        );
        for vector in entry["vectors"].as_array().unwrap() {
            let (file, name) = vector.as_str().unwrap().rsplit_once('/').unwrap();
            let exists = files
                .get(file)
                .is_some_and(|vectors| vectors.iter().any(|vector| vector["name"] == name));
            assert!(exists, "{vector}: no such vector");
        }
    }
}

/// The vectors by `encoding/shape-validity`.
pub(crate) fn files() -> BTreeMap<String, Vec<Map<String, Value>>> {
    let mut files = BTreeMap::new();
    for encoding in ENCODINGS {
        for shape in SHAPES {
            for validity in ["valid", "invalid"] {
                let name = format!("{encoding}/{shape}-{validity}");
                let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
                files.insert(name, serde_json::from_str(&text).unwrap());
            }
        }
    }
    files
}

/// The identifiers of the specification's rules: its level-6 headings.
fn rules() -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for page in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap() {
        let page = fs::read_to_string(page.unwrap().path()).unwrap();
        rules.extend(
            page.lines()
                .filter_map(|line| line.strip_prefix("###### "))
                .map(|rule| rule.trim().to_owned()),
        );
    }
    rules
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}
