//! Adapters in other languages: each fixture's payload goes in, and its events or its refusal have to come out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use super::Bench;

/// The cases of all adapters: `NAME/fixtures/CASE`.
pub(super) fn cases(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for adapter in fs::read_dir(folder)? {
        for case in fs::read_dir(adapter?.path().join("fixtures"))? {
            cases.push(case?.path());
        }
    }
    cases.sort();
    Ok(cases)
}

pub(super) fn run(bench: &Bench, case: &Path) -> Result<(), Failed> {
    let input = only(case, |path| {
        path.file_stem().is_some_and(|stem| stem == "input")
    })?;
    let home = case
        .ancestors()
        .nth(2)
        .ok_or("a case is two folders below its adapter")?;
    let program = only(home, |path| {
        path.extension().is_some_and(|extension| extension == "py")
    })?;
    let output = Command::new("python3")
        .arg(&program)
        .env("PATH", &bench.path)
        .stdin(fs::File::open(&input)?)
        .stderr(Stdio::piped())
        .output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, output.stderr);
    let said = String::from_utf8_lossy(&stderr);
    let Ok(expected) = fs::read(case.join("output.json")) else {
        let error: Value = serde_json::from_slice(&fs::read(case.join("error.json"))?)?;
        let pointer = error["pointer"].as_str().unwrap_or_default();
        let refused = output.status.code() == Some(65) && stdout.is_empty();
        return match refused && said.contains(pointer) {
            true => Ok(()),
            false => {
                Err(format!("expected exit 65 and {pointer}; {}: {said}", output.status).into())
            }
        };
    };
    if !output.status.success() {
        return Err(format!("{}: {said}", output.status).into());
    }
    let payload = fs::read_to_string(&input)?;
    let document: Value = serde_json::from_str(payload.trim_start_matches('\u{FEFF}'))?;
    let mut expected: Vec<Value> = serde_json::from_slice(&expected)?;
    for event in &mut expected {
        let pointer = event["data"]["$input"].as_str().unwrap_or_default();
        event["data"] = document.pointer(pointer).cloned().unwrap_or_default();
    }
    let events: Result<Vec<Value>, _> = stdout.lines().map(serde_json::from_str).collect();
    let events = events?;
    if events != expected {
        return Err(format!("expected {expected:#?}\nfound {events:#?}").into());
    }
    // Numbers are equal as floating point; their digits have to be too.
    for line in stdout.lines() {
        let data = line.split_once("\"data\": ").map(|(_, data)| data);
        let data = data.and_then(|data| data.strip_suffix('}'));
        let one_line = payload.replace(['\n', '\r'], " ");
        if data.is_none_or(|data| !one_line.contains(data)) {
            return Err(format!("the data is not a part of the payload as it came: {line}").into());
        }
    }
    Ok(())
}

fn only(folder: &Path, fits: impl Fn(&Path) -> bool) -> Result<PathBuf, Failed> {
    let mut found = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fits(&path) && found.replace(path).is_some() {
            return Err(format!("{}: expected one such file", folder.display()).into());
        }
    }
    found.ok_or_else(|| format!("{}: expected such a file", folder.display()).into())
}
