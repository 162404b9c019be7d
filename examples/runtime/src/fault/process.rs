//! Runtimes that start processes in a state in which they should not be.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

use libfaas::Mode;

use libfaas::host::Measure;

use super::Does::{Command as Start, Measures};
use super::shim::Place;
use super::{Fault, fault, hygiene};

/// Variables of attributes that every event has or may have.
const ATTRIBUTES: [&str; 8] = [
    "CE_SPECVERSION",
    "CE_ID",
    "CE_SOURCE",
    "CE_TYPE",
    "CE_TIME",
    "CE_SUBJECT",
    "CE_DATACONTENTTYPE",
    "CE_DATASCHEMA",
];

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    fault("env-static-missing", &[Start(|command, _| { command.env_remove("FAAS_REVISION"); })]),
    fault("env-encoding-in-binary", &[Start(|command, place| { if place.mode == Mode::Binary { command.env("FAAS_ENCODING", "json"); } })]),
    fault("environment-invocation-missing", &[Start(|command, _| { command.env_remove("FAAS_INVOCATION_ID").env_remove("FAAS_DEADLINE_MS"); })]),
    fault("spec-of-manifest", &[Start(spec_of_manifest)]),
    fault("features-undeclared", &[Start(|command, _| { command.env("FAAS_FEATURES", "chunks,x-other"); })]),
    fault("concurrency-raised", &[Start(|command, _| { let most = std::env::var("FAAS_CONCURRENCY").ok().and_then(|most| most.parse::<u32>().ok()); command.env("FAAS_CONCURRENCY", (most.unwrap_or(1) * 2).to_string()); })]),
    fault("revision-id-reused", &[Start(|command, _| { command.env("FAAS_REVISION", folder_hash()); })]),
    fault("extension-unset", &[Start(|command, _| { for name in variables("CE_").filter(|name| !ATTRIBUTES.contains(&name.as_str())) { command.env_remove(name); } })]),
    fault("attribute-invented", &[Start(|command, place| { if place.mode == Mode::Binary { command.env("CE_TIME", "2026-01-01T00:00:00Z"); } })]),
    fault("folder-other", &[Start(elsewhere)]),
    fault("driver-death-orphans", &[Start(escape), Start(|command, _| before(command, &["setpriv", "--pdeathsig", "clear"]))]),
    fault("pipeline-encoding-mixed", &[Start(|command, place| { if place.stages > 1 && place.stage == place.stages { command.env("FAAS_ENCODING", "json"); } })]),
    fault("pipeline-ends-kept", &[Start(ends_kept)]),
    hygiene("memory-untold", &[Start(|command, _| { command.env("FAAS_MEMORY_BYTES", "1000000000"); })]),
    hygiene("core-dumps", &[Measures(&[Measure::Core]), Start(|command, _| before(command, &["sh", "-c", "ulimit -S -c $(ulimit -H -c); exec \"$@\"", "sh"]))]),
    hygiene("sigpipe-ignored", &[Start(|command, _| before(command, &["env", "--ignore-signal=PIPE"]))]),
    hygiene("signals-blocked", &[Start(|command, _| before(command, &["env", "--block-signal=USR1"]))]),
];

/// Leaves the instance's control group, by which this host, or the next one on this machine, would
/// find what is left.
pub(super) fn escape(command: &mut Command, _: &Place) {
    let leave = "for file in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do echo $$ > $file; done 2> /dev/null; exec \"$@\"";
    before(command, &["sh", "-c", leave, "sh"]);
}

/// Has another program start this one.
fn before(command: &mut Command, words: &[&str]) {
    let mut outer = Command::new(words[0]);
    outer.args(&words[1..]);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    *command = outer;
}

fn variables(prefix: &'static str) -> impl Iterator<Item = String> {
    std::env::vars()
        .map(|(name, _)| name)
        .filter(move |name| name.starts_with(prefix))
}

/// The version that the manifest in this folder names.
fn spec_of_manifest(command: &mut Command, _: &Place) {
    let manifest = std::fs::read_to_string("function.json").unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    if let Some(version) = manifest["fsi"].as_str() {
        command.env("FAAS_SPEC", version);
    }
}

/// What is the same for every revision with this manifest.
fn folder_hash() -> String {
    let mut hasher = DefaultHasher::new();
    std::env::current_dir().ok().hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// Runs it in the root folder.
fn elsewhere(command: &mut Command, _: &Place) {
    let program = std::path::absolute(Path::new(command.get_program()));
    let mut other = Command::new(program.unwrap_or_default());
    other.args(command.get_args()).current_dir("/");
    *command = other;
}

/// Leaves somebody behind who holds both ends of the pipe to the next stage.
fn ends_kept(_: &mut Command, place: &Place) {
    if place.stage < place.stages {
        let _ = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}
