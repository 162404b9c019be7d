//! `bench runtime`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use libfaas::{Encoding, Mode};
use serde_json::json;
use tempfile::TempDir;

use super::function::{Calls, IN_FLIGHT, stream};
use super::programs::{Program, this};
use super::run;
use super::subject::{Measured, stage};
use crate::case::Kind;
use crate::cli::BenchRuntime;
use crate::deploy::open_to_all;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::judge;
use crate::report::model::SubjectInfo;
use crate::runtime::program_name;
use crate::target::{Claim, Target};

/// The function's file beside its manifest.
const PROGRAM: &str = "echo";

/// Measures what comes through a driver, and the same function without a runtime.
pub(super) fn bench(options: &BenchRuntime, to: &mut impl Write) -> Result<u8> {
    let mut driver = judge::stage(&options.command)?;
    let folder = deploy().map_err(|e| {
        Error::not_judged(
            format!("a folder for the function can't be prepared: {e}"),
            "the suite needs a folder for temporary files (TMPDIR) that it can write to",
        )
    })?;
    let manifest = folder.path().join("function.json");
    driver.argv.push(manifest.to_string_lossy().into_owned());
    let claim = |name: &str, stage| Claim {
        stages: vec![stage],
        name: name.to_owned(),
        version: None,
        modes: vec![Mode::Stream],
        encodings: vec![Encoding::Json],
        features: Default::default(),
        concurrency: *IN_FLIGHT.last().expect("there are some") as u32,
        sample: Events::echo_sample(0),
        options: Vec::new(),
        command: options.command.clone(),
        runtime: None,
    };
    let name = program_name(&options.command[0]);
    let target = Target {
        mode: Mode::Stream,
        encoding: Encoding::Json,
    };
    let patience = Duration::from_secs_f64(options.measure.timeout);
    let alone = stage(Program::Function)?;
    let measured = [claim(&name, driver), claim("the function alone", alone)]
        .map(|claim| Measured::new(&claim, target, true, patience));
    let calls = Calls::new(None, true);
    let entries = stream(&measured, &calls, IN_FLIGHT[IN_FLIGHT.len() - 1]);
    let subject = SubjectInfo {
        kind: Kind::Runtime.name().to_owned(),
        ..judge::command_alone("", &options.command)
    };
    let subject = SubjectInfo {
        name: Some(name),
        ..subject
    };
    run(entries, subject, &options.measure, to)
}

/// A copy of this program with a manifest, in a folder that any user can read.
fn deploy() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("faas-bench-").tempdir()?;
    open_to_all(folder.path(), 0o755)?;
    let program = folder.path().join(PROGRAM);
    fs::copy(this()?, &program)?;
    open_to_all(&program, 0o755)?;
    let file = folder.path().join("function.json");
    fs::write(&file, manifest().to_string())?;
    open_to_all(Path::new(&file), 0o644)?;
    Ok(folder)
}

fn manifest() -> serde_json::Value {
    let mut command = vec![format!("./{PROGRAM}")];
    command.extend(Program::Function.arguments());
    json!({
        "fsi": "1.0",
        "name": "echo",
        "command": command,
        "modes": ["stream"],
        "encodings": ["protobuf", "json"],
        "concurrency": IN_FLIGHT.last(),
    })
}
