//! The JSON Schemas are valid, describe each of their members, and tell good documents from bad ones.
//!
//! `json/examples/X.json` holds a valid `base` document and variants of it: a variant sets or removes what its JSON
//! Pointers name. A bad one has one defect, and `at` says where the schema must find it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use faas_schemas::source;
use jsonschema::{Registry, Validator};
use serde_json::Value;

#[test]
fn event() {
    check("event", source::EVENT_JSON);
}

#[test]
fn message() {
    check("message", source::MESSAGE_JSON);
}

#[test]
fn manifest() {
    check("manifest", source::MANIFEST_JSON);
}

#[test]
fn report() {
    check("report", source::REPORT_JSON);
}

fn check(name: &str, schema: &str) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::meta::validate(&schema)
        .unwrap_or_else(|error| panic!("{name}.json is no JSON Schema: {error}"));
    assert_described(name, "", &schema);

    let validator = validator(&schema);

    for example in schema["examples"].as_array().into_iter().flatten() {
        assert_eq!(
            errors(&validator, example),
            Vec::<String>::new(),
            "{name}.json: its own example {example}"
        );
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("json/examples/{name}.json"));
    let examples: Examples =
        Examples::from(&serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap());
    assert_eq!(
        errors(&validator, &examples.base),
        Vec::<String>::new(),
        "{name}: base"
    );
    for variant in &examples.valid {
        let found = errors(&validator, &variant.apply(&examples.base));
        assert_eq!(found, Vec::<String>::new(), "{name}: {}", variant.name);
    }
    for variant in &examples.invalid {
        let found = errors(&validator, &variant.apply(&examples.base));
        assert_eq!(
            found,
            std::slice::from_ref(&variant.at),
            "{name}: {}",
            variant.name
        );
    }
}

/// Validates against one of the schemas; formats count.
pub(crate) fn validator(schema: &Value) -> Validator {
    let event: Value = serde_json::from_str(source::EVENT_JSON).unwrap();
    let registry = Registry::new()
        .add("urn:fsi:1.0:event", &event)
        .unwrap()
        .prepare()
        .unwrap();
    jsonschema::draft202012::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// Where the schema finds faults: each place once.
fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    let mut places: Vec<String> = validator
        .iter_errors(document)
        .map(|error| error.instance_path().to_string())
        .collect();
    places.sort();
    places.dedup();
    places
}

/// Each member and each definition says what it is.
fn assert_described(name: &str, path: &str, schema: &Value) {
    for group in ["properties", "$defs"] {
        for (member, inner) in schema[group].as_object().into_iter().flatten() {
            let path = format!("{path}/{group}/{member}");
            // Inside `if`, `not` and the like a member only restricts what is described elsewhere; those are not visited.
            for said in ["title", "description"] {
                assert!(inner[said].is_string(), "{name}.json{path} has no {said}");
            }
            assert_described(name, &path, inner);
            if inner["items"].is_object() {
                assert_described(name, &format!("{path}/items"), &inner["items"]);
            }
        }
    }
}

struct Examples {
    base: Value,
    valid: Vec<Variant>,
    invalid: Vec<Variant>,
}

struct Variant {
    name: String,
    at: String,
    set: BTreeMap<String, Value>,
    remove: Vec<String>,
}

impl Examples {
    fn from(file: &Value) -> Examples {
        let variants = |key: &str| {
            file[key]
                .as_array()
                .unwrap()
                .iter()
                .map(Variant::from)
                .collect::<Vec<_>>()
        };
        Examples {
            base: file["base"].clone(),
            valid: variants("valid"),
            invalid: variants("invalid"),
        }
    }
}

impl Variant {
    fn from(value: &Value) -> Variant {
        let known = ["name", "at", "set", "remove"];
        let unknown: Vec<_> = value
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .collect();
        assert!(
            unknown.is_empty(),
            "{value} has the unknown keys {unknown:?}"
        );
        Variant {
            name: value["name"].as_str().unwrap().into(),
            at: value["at"].as_str().unwrap_or_default().into(),
            set: value["set"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(at, new)| (at.clone(), new.clone()))
                .collect(),
            remove: value["remove"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|at| at.as_str().unwrap().into())
                .collect(),
        }
    }

    fn apply(&self, base: &Value) -> Value {
        let mut document = base.clone();
        for at in &self.remove {
            let (parent, key) = parent(&mut document, at);
            assert!(
                parent.as_object_mut().unwrap().remove(&key).is_some(),
                "{}: nothing at {at}",
                self.name
            );
        }
        for (at, new) in &self.set {
            let (parent, key) = parent(&mut document, at);
            parent.as_object_mut().unwrap().insert(key, new.clone());
        }
        document
    }
}

/// The object that holds what a JSON Pointer names, and its key there.
fn parent<'v>(document: &'v mut Value, pointer: &str) -> (&'v mut Value, String) {
    let (object, key) = pointer.rsplit_once('/').unwrap();
    (document.pointer_mut(object).unwrap(), key.into())
}
