//! Has `faas-conformance` judge every example: one trial for each manifest and each mode and encoding that it declares.
//!
//! An example whose tools are not on this machine is ignored under the name of the tool that is missing; it never passes unseen.
//! What it needs beyond the program of its command stands in its file `requires`, a `name: command` a line, where the
//! command exits with 0 if the tool is there; and what it needs in one encoding only, in `requires.ENCODING`.
//! `examples/setup.sh` installs what can be installed.

#[path = "suite/adapter.rs"]
mod adapter;
#[path = "suite/line.rs"]
mod line;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

/// What of a manifest decides which trials there are. The suite reads the rest.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    pipeline: Vec<Stage>,
    modes: Vec<String>,
    #[serde(default = "json")]
    encodings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stage {
    Command(Vec<String>),
    Object { command: Vec<String> },
}

fn json() -> Vec<String> {
    vec!["json".to_owned()]
}

impl Manifest {
    /// The profiles that it claims by mode and encoding.
    fn profiles(&self) -> Vec<String> {
        let of = |mode: &String| match mode.as_str() {
            "binary" => vec!["binary".to_owned()],
            mode => self
                .encodings
                .iter()
                .map(|encoding| format!("{mode}/{encoding}"))
                .collect(),
        };
        self.modes.iter().flat_map(of).collect()
    }

    /// The programs that have to be on PATH; those with a `/` are files of the example.
    fn programs(&self) -> impl Iterator<Item = &String> {
        let stages = self.pipeline.iter().map(|stage| match stage {
            Stage::Command(command) | Stage::Object { command } => command,
        });
        stages
            .chain([&self.command])
            .filter_map(|command| command.first())
            .filter(|program| !program.contains('/'))
    }
}

/// What all trials share.
struct Bench {
    suite: PathBuf,
    path: OsString,
    /// Two trials of one example must not compile it at the same time.
    compiling: Mutex<()>,
}

/// The copies of a library that stand beside functions. Copies and not links: a function sees its
/// own folder only, where it is isolated.
fn copies(examples: &Path, library: &Path) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let name = library.file_name().ok_or("a library has no name")?;
    let mut copies = Vec::new();
    for folder in fs::read_dir(examples.join("functions"))? {
        let copy = folder?.path().join(name);
        if copy.symlink_metadata().is_ok() {
            copies.push(copy);
        }
    }
    Ok(copies)
}

fn same(library: &Path, copy: &Path) -> Result<(), Failed> {
    if copy.is_symlink() || fs::read(library)? != fs::read(copy)? {
        let (library, copy) = (library.display(), copy.display());
        return Err(format!("{copy}: expected a copy of {library}; copy it again").into());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::from_args();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = examples
        .parent()
        .ok_or("the package has no parent folder")?;
    let bench = Arc::new(Bench {
        suite: program(
            root,
            "faas-conformance",
            &["conformance", "libfaas/src", "schemas/src"],
        )?,
        path: path(
            root,
            &program(
                root,
                "faas-adapt",
                &["adapters/src", "libfaas/src", "schemas/src"],
            )?,
        )?,
        compiling: Mutex::new(()),
    });
    let mut trials = Vec::new();
    let adapters = root.join("adapters/function.yaml");
    for (files, subcommand) in [
        (manifests(&examples.join("functions"))?, "function"),
        (manifests(&examples.join("pipelines"))?, "function"),
        (manifests(&examples.join("sdk"))?, "sdk"),
        (vec![adapters], "function"),
    ] {
        for file in files {
            let text = fs::read_to_string(&file)?;
            let manifest: Manifest = serde_saphyr::from_str(&text)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let home = file.parent().ok_or("a manifest has no folder")?.to_owned();
            let name = home.strip_prefix(examples).or(home.strip_prefix(root))?;
            let name = name.display().to_string();
            for profile in manifest.profiles() {
                let missing = match unavailable(&bench, &manifest) {
                    None => missing(&bench, &home, &profile)?,
                    missing => missing,
                };
                let (bench, file, home) = (Arc::clone(&bench), file.clone(), home.clone());
                let trial = Trial::test(format!("{name} {profile}"), move || {
                    judge(&bench, subcommand, &file, &home, &profile)
                });
                trials.push(ignored(trial, missing));
            }
        }
    }
    for home in line::homes(&examples.join("pipelines"))? {
        let name = format!("{} in a shell", home.strip_prefix(examples)?.display());
        let missing = missing(&bench, &home, "")?;
        let bench = Arc::clone(&bench);
        trials.push(ignored(
            Trial::test(name, move || line::run(&bench, &home)),
            missing,
        ));
    }
    for home in adapter::homes(&examples.join("adapters"))? {
        let name = home.strip_prefix(examples)?.display().to_string();
        let missing = on_path(&bench, "python3")
            .is_none()
            .then(|| "python3".to_owned());
        let bench = Arc::clone(&bench);
        trials.push(ignored(
            Trial::test(name, move || adapter::run(&bench, &home)),
            missing,
        ));
    }
    for library in ["sdk/python/faas.py", "sdk/node/faas.mjs"] {
        let library = examples.join(library);
        for copy in copies(examples, &library)? {
            let name = format!("{} is a copy", copy.strip_prefix(examples)?.display());
            let library = library.clone();
            trials.push(Trial::test(name, move || same(&library, &copy)));
        }
    }
    if trials.is_empty() {
        return Err(format!("no manifest under {}", examples.display()).into());
    }
    libtest_mimic::run(&arguments, trials).exit()
}

/// The manifests of the examples in one folder, by name.
fn manifests(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let home = entry?.path();
        files.extend(
            ["function.yaml", "function.json"]
                .map(|name| home.join(name))
                .into_iter()
                .find(|file| file.is_file()),
        );
    }
    files.sort();
    Ok(files)
}

/// A trial that is left out if a tool is missing, under the name of that tool.
fn ignored(trial: Trial, missing: Option<String>) -> Trial {
    match missing {
        Some(tool) => trial
            .with_kind(format!("{tool} is missing"))
            .with_ignored_flag(true),
        None => trial,
    }
}

/// A program of this workspace: cargo puts it two folders above this test when it builds all of it. Asked for this
/// package alone it does not, so one that is not there, or older than its sources, is built.
fn program(
    root: &Path,
    name: &str,
    sources: &[&str],
) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let test = env::current_exe()?;
    let built = test
        .parent()
        .and_then(Path::parent)
        .ok_or("the test runs outside of a target folder")?;
    let program = built.join(name);
    let age = fs::metadata(&program).and_then(|meta| meta.modified()).ok();
    let newer = |age| {
        let mut folders = sources.iter().map(|folder| root.join(folder));
        folders.any(|folder| has_newer(&folder, age))
    };
    if age.is_none_or(newer) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--bin", name])
            .current_dir(root);
        if built.ends_with("release") {
            cargo.arg("--release");
        }
        if !cargo.status()?.success() {
            return Err(format!("{name} does not build").into());
        }
    }
    Ok(program)
}

/// Is there a file in the folder that was changed after that time?
fn has_newer(folder: &Path, time: SystemTime) -> bool {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => has_newer(&entry.path(), time),
            Ok(meta) => meta.modified().is_ok_and(|changed| changed > time),
            Err(_) => false,
        })
}

/// PATH with the interpreter in front whose packages `examples/setup.sh` installed, or that `FAAS_PYTHON` names, and then
/// the program that was built.
fn path(root: &Path, built: &Path) -> Result<OsString, Box<dyn std::error::Error>> {
    let python = env::var_os("FAAS_PYTHON")
        .map_or_else(|| root.join("target/venv/bin/python3"), PathBuf::from);
    let folder = python
        .parent()
        .filter(|folder| folder.join("python3").is_file())
        .map(Path::to_owned);
    let inherited = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(
        folder
            .into_iter()
            .chain(built.parent().map(Path::to_owned))
            .chain(env::split_paths(&inherited)),
    )?)
}

/// Where a program is on PATH.
fn on_path(bench: &Bench, program: &str) -> Option<PathBuf> {
    env::split_paths(&bench.path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The first program of a manifest that is not on PATH.
fn unavailable(bench: &Bench, manifest: &Manifest) -> Option<String> {
    manifest
        .programs()
        .find(|program| on_path(bench, program).is_none())
        .cloned()
}

/// The first tool that an example says that it needs, for a profile, and that this machine lacks.
fn missing(
    bench: &Bench,
    home: &Path,
    profile: &str,
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let encoding = profile
        .split_once('/')
        .map(|(_, encoding)| format!("requires.{encoding}"));
    for file in ["requires".to_owned()]
        .into_iter()
        .chain(encoding)
        .map(|name| home.join(name))
        .filter(|file| file.is_file())
    {
        for line in fs::read_to_string(&file)?
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let (tool, probe) = line.split_once(": ").ok_or_else(|| {
                format!(
                    "{}: expected `name: command`, found `{line}`",
                    file.display()
                )
            })?;
            let mut shell = Command::new("sh");
            shell
                .args(["-c", probe])
                .current_dir(home)
                .env("PATH", &bench.path);
            if !shell
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?
                .success()
            {
                return Ok(Some(tool.to_owned()));
            }
        }
    }
    Ok(None)
}

/// Compiles the example if it has a Makefile, and has the suite judge one profile of it.
fn judge(
    bench: &Bench,
    subcommand: &str,
    manifest: &Path,
    home: &Path,
    profile: &str,
) -> Result<(), Failed> {
    make(bench, home)?;
    let name = format!("{} {profile}", home.display()).replace('/', "-");
    let report = env::temp_dir().join(format!("faas-examples-{}-{name}.json", std::process::id()));
    let output = Command::new(&bench.suite)
        .arg(subcommand)
        .arg("--manifest")
        .arg(manifest)
        .args(["--profile", profile, "--report"])
        .arg(&report)
        .env("PATH", &bench.path)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("faas-conformance ended with {}:\n{said}", output.status).into());
    }
    let found = fs::read(&report)?;
    fs::remove_file(&report)?;
    let report: Report =
        serde_json::from_slice(&found).map_err(|error| format!("the report: {error}"))?;
    let verdict = report
        .profiles
        .iter()
        .find(|verdict| verdict.name == profile)
        .ok_or_else(|| format!("no verdict on {profile}:\n{said}"))?;
    if verdict.verdict != "yes" || verdict.counts.pass == 0 {
        return Err(format!(
            "{profile}: {} with {} passed:\n{said}",
            verdict.verdict, verdict.counts.pass
        )
        .into());
    }
    Ok(())
}

/// A pipeline has a Makefile too if one of its stages has to be compiled.
fn make(bench: &Bench, home: &Path) -> Result<(), Failed> {
    if !home.join("Makefile").is_file() {
        return Ok(());
    }
    let _one_at_a_time = bench
        .compiling
        .lock()
        .map_err(|_| "another trial failed while it compiled")?;
    let output = Command::new("make")
        .args(["--silent", "--directory"])
        .arg(home)
        .output()?;
    if !output.status.success() {
        return Err(format!("make: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}

#[derive(Deserialize)]
struct Report {
    profiles: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    name: String,
    verdict: String,
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    pass: u64,
}
