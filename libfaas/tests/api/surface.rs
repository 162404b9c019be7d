//! What a crate offers to others, as rustdoc sees it, compared with what was agreed upon.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

/// The form of rustdoc's description that `public-api` reads. It changes with the compiler.
const FORMAT: u64 = 57;

/// Compares the API of a package with its `tests/api/API.txt`; `UPDATE=1` writes that anew.
pub(crate) fn is_as_agreed(package: &str, folder: &str) {
    let described = describe(package);
    let trial = match described {
        Ok(json) => {
            let folder = PathBuf::from(folder);
            Trial::test("public_api", move || compare(json, folder))
        }
        Err(reason) => {
            Trial::test(format!("public_api ({reason})"), || Ok(())).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

/// Where rustdoc has put its description, or why there is none that can be read.
fn describe(package: &str) -> Result<PathBuf, String> {
    // A folder of its own: the variable below makes cargo build some dependencies again.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("api");
    let output = Command::new(env!("CARGO"))
        .args([
            "rustdoc",
            "--quiet",
            "--lib",
            "--all-features",
            "--package",
            package,
        ])
        .arg("--target-dir")
        .arg(&target)
        .args([
            "--",
            "-Z",
            "unstable-options",
            "--output-format",
            "json",
            "--cap-lints",
            "allow",
        ])
        // The description is not stable, and the toolchain is.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .map_err(|error| format!("skipped: cargo does not start: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        panic!("cargo rustdoc --package {package} failed:\n{said}");
    }
    let path = target
        .join("doc")
        .join(package.replace('-', "_"))
        .with_extension("json");
    let json = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: serde_json::Value = serde_json::from_slice(&json).expect("rustdoc writes JSON");
    match json["format_version"].as_u64() {
        Some(FORMAT) => Ok(path),
        other => Err(format!(
            "skipped: rustdoc's format {other:?} is not {FORMAT}"
        )),
    }
}

fn compare(json: PathBuf, folder: PathBuf) -> Result<(), Failed> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let agreed = folder.join("tests/api/API.txt");
    let now = api.to_string();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&agreed, &now)?;
    }
    let before = fs::read_to_string(&agreed).unwrap_or_default();
    if now == before {
        return Ok(());
    }
    let gone = before
        .lines()
        .filter(|line| !now.lines().any(|other| other == *line))
        .map(|line| format!("- {line}\n"));
    let new = now
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}\n"));
    let changes: String = gone.chain(new).collect();
    let how = "if it is meant, say so in CHANGELOG.md and run this test again with UPDATE=1";
    Err(format!("the public API has changed:\n{changes}{how}").into())
}
