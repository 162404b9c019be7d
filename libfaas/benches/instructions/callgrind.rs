//! Runs this program under callgrind, and reads what it wrote.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::cases;
use crate::counts::{Counts, Machine};

/// How often each path is gone through.
const TIMES: u64 = 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("valgrind is not installed")]
    Missing,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("expected {expected}, got {came}; run `{command}` to see why")]
    Unexpected {
        expected: &'static str,
        came: String,
        command: String,
    },
}

/// Goes through the paths that have `filter` in their name, each inside of what callgrind counts.
pub(crate) fn work(filter: &str) -> ExitCode {
    for mut case in cases::all()
        .into_iter()
        .filter(|case| case.name.contains(filter))
    {
        // What the first time finds cold is not counted.
        (case.work)();
        counted(&mut *case.work);
    }
    println!("{}", Machine::features());
    ExitCode::SUCCESS
}

/// Callgrind collects while this runs, and writes what it has when this returns.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
}

/// Counts everything.
pub(crate) fn count() -> Result<Counts, Error> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let mut command = valgrind(&out)?;
    let function = "instructions::callgrind::counted";
    command
        .arg("--collect-atstart=no")
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(std::env::current_exe()?)
        .arg("cases");
    let features = run(&mut command, Stdio::null())?;
    let mut instructions = BTreeMap::new();
    for (number, case) in cases::all().into_iter().enumerate() {
        let total = total(&folder.path().join(format!("out.{}", number + 1)), &command)?;
        instructions.insert(case.name, total / TIMES);
    }
    let machine = Machine::here(features.trim());
    Ok(Counts {
        machine,
        instructions,
    })
}

fn valgrind(out: &Path) -> Result<Command, Error> {
    let found = Command::new("valgrind").arg("--version").output();
    if matches!(found, Err(ref error) if error.kind() == io::ErrorKind::NotFound) {
        return Err(Error::Missing);
    }
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Which routines libc takes must not depend on the processor, nor on its caches.
        .env("GLIBC_TUNABLES", TUNABLES);
    Ok(command)
}

const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-SSSE3,-Fast_Unaligned_Copy:glibc.cpu.x86_non_temporal_threshold=0x1000000:glibc.cpu.x86_rep_movsb_threshold=0x1000000:glibc.malloc.arena_max=1";

fn run(command: &mut Command, input: Stdio) -> Result<String, Error> {
    let output = command.stdin(input).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(unexpected(
        "valgrind to succeed",
        format!("{}: {stderr}", output.status),
        command,
    ))
}

/// The instructions in a file of callgrind's.
fn total(file: &Path, command: &Command) -> Result<u64, Error> {
    let text = std::fs::read_to_string(file)?;
    let totals = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    totals.ok_or_else(|| {
        unexpected(
            "a line of totals",
            text.chars().take(200).collect(),
            command,
        )
    })
}

fn unexpected(expected: &'static str, came: String, command: &Command) -> Error {
    Error::Unexpected {
        expected,
        came,
        command: format!("{command:?}"),
    }
}
