//! Adapters in other languages: the suite judges each by its own fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use super::Bench;

/// The folders of all adapters, each with a program and `fixtures`.
pub(super) fn homes(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut homes = Vec::new();
    for entry in fs::read_dir(folder)? {
        homes.push(entry?.path());
    }
    homes.sort();
    Ok(homes)
}

pub(super) fn run(bench: &Bench, home: &Path) -> Result<(), Failed> {
    let output = Command::new(&bench.suite)
        .args(["adapter", "--fixtures"])
        .arg(home.join("fixtures"))
        .args(["--", "python3"])
        .arg(program(home)?)
        .env("PATH", &bench.path)
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "faas-conformance ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}

fn program(home: &Path) -> Result<PathBuf, Failed> {
    for entry in fs::read_dir(home)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            return Ok(path);
        }
    }
    Err(format!("{}: expected a program in Python", home.display()).into())
}
