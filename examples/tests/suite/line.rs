//! Pipelines that are one line of a shell: the first `sh` block of the README runs in a copy of the folder, and has to write
//! what `expected.jsonl` says, document by document.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use libtest_mimic::Failed;

use super::Bench;

const EXPECTED: &str = "expected.jsonl";

/// The folders of such pipelines.
pub(super) fn homes(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut homes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let home = entry?.path();
        if home.join(EXPECTED).is_file() {
            homes.push(home);
        }
    }
    homes.sort();
    Ok(homes)
}

pub(super) fn run(bench: &Bench, home: &Path) -> Result<(), Failed> {
    let readme = fs::read_to_string(home.join("README.md"))?;
    let line = readme
        .split_once("\n```sh\n")
        .and_then(|(_, after)| after.split_once("\n```"))
        .map(|(line, _)| line)
        .ok_or("README.md: expected a block of `sh`")?;
    if line.contains('\n') {
        return Err("README.md: expected one line of shell".into());
    }
    let name = home.file_name().unwrap_or(OsStr::new("pipeline"));
    let name = format!("faas-examples-{}-{}", std::process::id(), name.display());
    let copy = env::temp_dir().join(name);
    copy_folder(home, &copy)?;
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .current_dir(&copy)
        .env("PATH", &bench.path)
        .env_remove("FAAS_MODE")
        .stdin(Stdio::null())
        .output()?;
    fs::remove_dir_all(&copy)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{line}\nended with {}:\n{said}", output.status).into());
    }
    let (came, expected) = (
        documents(&output.stdout)?,
        documents(&fs::read(home.join(EXPECTED))?)?,
    );
    if came != expected {
        return Err(format!("expected {expected:#?}\nfound {came:#?}\n{said}").into());
    }
    Ok(())
}

fn documents(lines: &[u8]) -> Result<Vec<serde_json::Value>, serde_json::Error> {
    serde_json::Deserializer::from_slice(lines)
        .into_iter()
        .collect()
}

/// Tried in place, a pipeline would leave its work among the sources.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}
