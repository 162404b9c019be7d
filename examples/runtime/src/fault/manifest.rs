//! Runtimes that read manifests in a way of their own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use libfaas::{Code, Manifest, Status};
use serde_json::{Map, Value, json};

use super::Does::{Command, Manifest as Read, Text};
use super::{Does, Fault, fault, hygiene, multi_tenant};

/// The keys of a manifest of version 1.0.
const KEYS: [&str; 16] = [
    "fsi",
    "name",
    "version",
    "command",
    "pipeline",
    "modes",
    "encodings",
    "features",
    "concurrency",
    "consumes",
    "produces",
    "limits",
    "env",
    "network",
    "triggers",
    "samples",
];
const MODES: [&str; 3] = ["binary", "structured", "stream"];
const ENCODINGS: [&str; 3] = ["json", "protobuf", "capnp"];

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    fault("manifest-unchecked", &[Read(unchecked)]),
    fault("unknown-key-ignored", &[Read(|manifest, _| { members(manifest).retain(|key, _| known(key)); Ok(()) })]),
    fault("newer-key-refused", &[Read(newer_key)]),
    fault("major-ignored", &[Read(|manifest, _| { manifest["fsi"] = "1.0".into(); Ok(()) })]),
    fault("duplicate-key-ignored", &[Text(first_of_each_key)]),
    fault("second-document-ignored", &[Text(|text| text.split("\n---").next().unwrap_or_default().to_owned())]),
    fault("large-manifest-read", &[Text(without_comments)]),
    fault("two-starts-taken", &[Read(|manifest, _| { if manifest.get("command").is_some() { members(manifest).remove("pipeline"); } Ok(()) })]),
    fault("unknown-name-refused", &[Read(unknown_name)]),
    fault("nothing-in-common-tried", &[Read(|manifest, _| { if !has_known(manifest, "modes", &MODES) { manifest["modes"] = json!(["stream"]); } Ok(()) })]),
    fault("preference-ignored", &[Read(own_preference)]),
    fault("filter-ignored", &[Read(|manifest, _| { members(manifest).remove("triggers"); Ok(()) })]),
    fault("env-reserved-taken", &[Read(|manifest, _| { members_of(manifest, "env").retain(|name, _| !reserved(name)); Ok(()) })]),
    fault("env-inherited", &[Read(environment)]),
    fault("command-shell", &[Read(|manifest, _| { each_command(manifest, |words| *words = through_shell(words)); Ok(()) })]),
    fault("core-mode-missing", &[Read(|manifest, _| refuse_mode(manifest, "structured"))]),
    fault("core-binary-missing", &[Read(|manifest, _| refuse_mode(manifest, "binary"))]),
    fault("binary-result-untyped", &[Read(|manifest, _| { if let Some(kind) = manifest.pointer_mut("/produces/0/type") { *kind = "result".into(); } Ok(()) })]),
    fault("limits-ignored", &[Read(|manifest, _| { members(manifest).remove("limits"); Ok(()) })]),
    fault("oneshot-deadline-unbounded", &[Read(|manifest, _| { if manifest["modes"][0] != "stream" { members_of(manifest, "limits").remove("timeout"); } Ok(()) })]),
    hygiene("output-unlimited", &[Read(|manifest, _| { members_of(manifest, "limits").remove("output"); Ok(()) })]),
    hygiene("event-unlimited", &[Read(|manifest, _| { members_of(manifest, "limits").remove("event"); Ok(()) })]),
    multi_tenant("tmpdir-unlimited", &[Read(|manifest, _| { members_of(manifest, "limits").remove("tmp"); Ok(()) })]),
    fault("concurrency-exceeded", &[Read(|manifest, _| { let most = manifest["concurrency"].as_u64().unwrap_or(1); manifest["concurrency"] = (most * 4).into(); Ok(()) }), Command(|command, _| { let most = std::env::var("FAAS_CONCURRENCY").ok().and_then(|most| most.parse::<u64>().ok()); command.env("FAAS_CONCURRENCY", most.map_or(1, |most| most / 4).to_string()); })]),
    fault("pipeline-no-relay", &[Read(|manifest, _| { for stage in stages(manifest).into_iter().flatten() { stage.as_object_mut().map(|stage| stage.remove("encodings")); } Ok(()) })]),
    fault("pipeline-first-only", &[Read(|manifest, _| { if let Some(stages) = stages(manifest) { stages.truncate(1); } Ok(()) })]),
    fault("pipeline-stage-lost", &[Read(|manifest, _| { if let Some(stages) = stages(manifest).filter(|stages| stages.len() > 2) { stages.remove(1); } Ok(()) })]),
];

/// A manifest as this fault has it read, and its folder.
pub(super) fn load(fault: &Fault, path: &Path) -> Result<(Manifest, PathBuf), Status> {
    let folder = crate::run::folder(path)?;
    let refuse =
        |error: &dyn std::fmt::Display| Status::new(Code::FailedPrecondition, error.to_string());
    let mut text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    for does in fault.does {
        if let Does::Text(change) = does {
            text = change(&text);
        }
    }
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let manifest = match serde_json::from_str::<Value>(&text) {
        Ok(mut manifest) if is_json && manifest.is_object() => {
            for does in fault.does {
                if let Does::Manifest(change) = does {
                    change(&mut manifest, path)?;
                }
            }
            ONE_SHOT.store(manifest["modes"][0] != "stream", Ordering::Relaxed);
            let through_shim = |does: &Does| matches!(does, Does::Command(_) | Does::Function(_));
            if fault.does.iter().any(through_shim) {
                start_with_shim(fault.name, &mut manifest);
            }
            Manifest::from_json(&manifest.to_string())
        }
        _ if is_json => Manifest::from_json(&text),
        _ => Manifest::from_yaml(&text),
    };
    Ok((manifest.map_err(|error| refuse(&error))?, folder))
}

/// Whether the manifest that was read last is of a function that is run in another mode than stream.
static ONE_SHOT: AtomicBool = AtomicBool::new(false);

pub(super) fn is_one_shot() -> bool {
    ONE_SHOT.load(Ordering::Relaxed)
}

/// Has every command started by this program.
fn start_with_shim(name: &str, manifest: &mut Value) {
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let stages = manifest["pipeline"].as_array().map_or(1, Vec::len);
    let mut stage = 0;
    each_command(manifest, |words| {
        stage += 1;
        let shim = [
            program.to_string_lossy().into_owned(),
            "fault-shim".to_owned(),
            name.to_owned(),
            stage.to_string(),
            stages.to_string(),
            "--".to_owned(),
        ];
        words.splice(0..0, shim.map(Value::from));
    });
}

/// The words of each command.
fn each_command(manifest: &mut Value, mut change: impl FnMut(&mut Vec<Value>)) {
    if let Some(words) = manifest.get_mut("command").and_then(Value::as_array_mut) {
        change(words);
    }
    let stages = manifest.get_mut("pipeline").and_then(Value::as_array_mut);
    for stage in stages.into_iter().flatten() {
        let words = match stage {
            Value::Array(words) => Some(words),
            stage => stage.get_mut("command").and_then(Value::as_array_mut),
        };
        words.into_iter().for_each(&mut change);
    }
}

fn members(manifest: &mut Value) -> &mut Map<String, Value> {
    manifest.as_object_mut().expect("a manifest is an object")
}

/// The members of a member, which need not be there.
fn members_of<'a>(manifest: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    let member = members(manifest).entry(name).or_insert_with(|| json!({}));
    if !member.is_object() {
        *member = json!({});
    }
    member.as_object_mut().expect("it has been made one")
}

fn known(key: &str) -> bool {
    KEYS.contains(&key)
}

fn is_newer(manifest: &Value) -> bool {
    manifest["fsi"] != "1.0"
}

fn refused(message: &str) -> Result<(), Status> {
    Err(Status::new(Code::FailedPrecondition, message))
}

fn newer_key(manifest: &mut Value, _: &Path) -> Result<(), Status> {
    match is_newer(manifest) && members(manifest).keys().any(|key| !known(key)) {
        true => refused("a key that is not known"),
        false => Ok(()),
    }
}

/// Takes out or puts right whatever the schema does not allow.
fn unchecked(manifest: &mut Value, _: &Path) -> Result<(), Status> {
    let members = members(manifest);
    members.retain(|key, _| known(key));
    if !members.get("concurrency").is_none_or(Value::is_u64) {
        members.remove("concurrency");
    }
    if !members.get("fsi").is_some_and(Value::is_string) {
        members.insert("fsi".to_owned(), "1.0".into());
    }
    if members.contains_key("command") {
        members.remove("pipeline");
    }
    members.entry("modes").or_insert_with(|| json!(["stream"]));
    if let Some(name) = members.get_mut("name") {
        *name = name.as_str().unwrap_or("function").to_lowercase().into();
    }
    Ok(())
}

fn has_known(manifest: &Value, list: &str, known: &[&str]) -> bool {
    let names = manifest[list].as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .any(|name| known.contains(&name))
}

fn unknown_name(manifest: &mut Value, _: &Path) -> Result<(), Status> {
    let lists: [(&str, &[&str]); 3] = [
        ("modes", &MODES),
        ("encodings", &ENCODINGS),
        ("features", &["chunks"]),
    ];
    for (list, known) in lists {
        let mut names = manifest[list].as_array().into_iter().flatten();
        if !names.all(|name| known.iter().any(|known| name == known)) {
            return refused("a name that is not known");
        }
    }
    Ok(())
}

/// The mode and the encoding that this runtime likes best come first.
fn own_preference(manifest: &mut Value, _: &Path) -> Result<(), Status> {
    for (list, best) in [("modes", "stream"), ("encodings", "json")] {
        if let Some(names) = manifest.get_mut(list).and_then(Value::as_array_mut) {
            names.sort_by_key(|name| name != best);
        }
    }
    Ok(())
}

fn refuse_mode(manifest: &Value, mode: &str) -> Result<(), Status> {
    match manifest["modes"] == json!([mode]) {
        true => refused("this runtime does not have that mode"),
        false => Ok(()),
    }
}

fn reserved(name: &str) -> bool {
    let names = ["TRACEPARENT", "TRACESTATE", "BAGGAGE", "TMPDIR"];
    name.starts_with("FAAS_") || name.starts_with("CE_") || names.contains(&name)
}

fn environment(manifest: &mut Value, _: &Path) -> Result<(), Status> {
    let env = members_of(manifest, "env");
    for (name, value) in std::env::vars().filter(|(name, _)| !reserved(name)) {
        env.entry(name).or_insert_with(|| value.into());
    }
    Ok(())
}

/// A command line in which variables, substitutions and nothing else are expanded.
fn through_shell(words: &[Value]) -> Vec<Value> {
    let quoted = words.iter().filter_map(Value::as_str).map(|word| {
        let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    let line = format!("exec {}", quoted.collect::<Vec<_>>().join(" "));
    ["sh", "-c", &line].map(Value::from).to_vec()
}

/// Of a key at the beginning of a line the first one.
fn first_of_each_key(text: &str) -> String {
    let mut keys = HashSet::new();
    let kept = text.lines().filter(|line| match line.split_once(':') {
        Some((key, _)) if !line.starts_with([' ', '{']) => keys.insert(key.to_owned()),
        _ => true,
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn without_comments(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with('#'));
    kept.map(|line| format!("{line}\n")).collect()
}

fn stages(manifest: &mut Value) -> Option<&mut Vec<Value>> {
    manifest.get_mut("pipeline")?.as_array_mut()
}
