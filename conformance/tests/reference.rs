//! `bench runtime` of the reference runtime, where that is built: no dependency of the suite.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn main() {
    let suite = Path::new(env!("CARGO_BIN_EXE_faas-conformance"));
    let runtime = suite.with_file_name("faas-runtime");
    let is_built = runtime.is_file();
    let trial = Trial::test("bench runtime -- faas-runtime run", || measured(runtime));
    let trial = match is_built {
        true => trial,
        false => trial
            .with_ignored_flag(true)
            .with_kind("needs faas-runtime: cargo build -p faas-runtime"),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn measured(runtime: PathBuf) -> Result<(), Failed> {
    let mut suite = Command::new(env!("CARGO_BIN_EXE_faas-conformance"));
    suite.args(["bench", "runtime", "--json", "--seconds", "0.2", "--"]);
    let output = suite.arg(runtime).arg("run").output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let rows = report["rows"].as_array().ok_or("no rows")?;
    let left_out = rows.iter().find(|row| row["figure"].is_null());
    match left_out {
        None if !rows.is_empty() => Ok(()),
        _ => Err(format!("without a figure: {left_out:?}").into()),
    }
}
