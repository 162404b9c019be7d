//! Other projects' programs, measured in the same turns: those of `../peers`, a crate outside the
//! workspace, which is built when it is first needed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::comparison::Comparison;
use crate::options::Options;

/// What the one that prints the table tells its workers: where the program is, or why it isn't.
const FOUND: &str = "FAAS_BENCH_PEERS";
const MISSING: &str = "FAAS_BENCH_NO_PEERS";

/// What they are called here, and in the table.
const PEERS: [(&str, &str); 4] = [
    ("hyper", "hyper, Unix socket"),
    ("lambda", "lambda_runtime, Runtime API"),
    ("tonic", "tonic, Unix socket"),
    ("functions-framework", "functions-framework-python"),
];

/// Builds them, unless cargo finds that they are. Workers are told by their environment.
pub(crate) fn build(options: &Options, wanted: bool) -> (&'static str, String) {
    if !options.peers {
        return (MISSING, "--no-peers".to_owned());
    }
    // Nothing is built for comparisons that have no peers.
    if !wanted {
        return (MISSING, "not built".to_owned());
    }
    match built() {
        Ok(program) => (FOUND, program.display().to_string()),
        Err(why) => (MISSING, why),
    }
}

fn built() -> Result<PathBuf, String> {
    let target = target()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/Cargo.toml");
    build.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--manifest-path",
        manifest,
    ]);
    build.arg("--target-dir").arg(&target);
    let program = target.join("release/faas-peers");
    if !program.exists() {
        eprintln!(
            "building other projects' programs in {}, which takes minutes",
            target.display()
        );
    }
    let output = build.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|line| line.starts_with("error"));
        return Err(format!("cargo build: {}", first.unwrap_or(said.trim())));
    }
    if !framework(&target).exists() {
        install(&target);
    }
    Ok(program)
}

/// Where functions-framework-python is once it is installed.
fn framework(target: &Path) -> PathBuf {
    target.join("python/bin/functions-framework")
}

/// Installs it. Where that fails its rows say what to run, which says why.
fn install(target: &Path) {
    eprintln!(
        "installing functions-framework-python in {}",
        target.display()
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/setup.sh");
    let _ = Command::new(script)
        .env("CARGO_TARGET_DIR", target.parent().unwrap_or(target))
        .stdout(Stdio::null())
        .status();
}

/// Beside what cargo has built for this program: `target/release/deps/host-…`.
fn target() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = this
        .ancestors()
        .nth(3)
        .ok_or("this program is not in a target directory");
    Ok(target?.join("peers"))
}

/// Warm calls, one at a time.
pub(crate) fn warm(
    all: &mut Comparison,
    limits: &[usize],
    size: usize,
    cores: usize,
    options: &Options,
) {
    add(all, limits, cores, options, &["--size", &size.to_string()]);
}

/// Calls per second, of 1 KiB.
pub(crate) fn rate(
    all: &mut Comparison,
    limit: &[usize],
    in_flight: usize,
    cores: usize,
    options: &Options,
) {
    let arguments = ["--size", "1024", "--in-flight", &in_flight.to_string()];
    add(all, limit, cores, options, &arguments);
}

fn add(
    all: &mut Comparison,
    limits: &[usize],
    cores: usize,
    options: &Options,
    arguments: &[&str],
) {
    // Whoever asks for none is not to read of each.
    if !options.peers {
        return;
    }
    for (peer, name) in PEERS {
        all.try_row(name, limits, None, start(peer, cores, arguments));
    }
}

/// Starts one, in a process that measures it for so long as it is told to.
fn start(
    peer: &str,
    cores: usize,
    arguments: &[&str],
) -> Result<impl FnMut(Duration) -> f64 + use<>, String> {
    let program = std::env::var(FOUND).map_err(|_| {
        let why = std::env::var(MISSING);
        why.unwrap_or_else(|_| "not built".to_owned())
    })?;
    let mut command = Command::new(program);
    command
        .args([peer, "--cores", &cores.to_string()])
        .args(arguments);
    if peer == "functions-framework" {
        let program = framework(&target()?);
        if !program.exists() {
            return Err("run libfaas/benches/peers/setup.sh".to_owned());
        }
        command.arg("--program").arg(program);
    }
    let mut peer = Peer::start(command)?;
    Ok(move |turn: Duration| peer.figure(turn).expect("it worked before"))
}

struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(mut command: Command) -> Result<Peer, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut peer = Peer {
            stdin: child.stdin.take().ok_or("no stdin")?,
            stdout: BufReader::new(child.stdout.take().ok_or("no stdout")?),
            child,
        };
        match peer.line()?.as_str() {
            "ready" => Ok(peer),
            _ => Err("it did not start; stderr says why".to_owned()),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        read.map_err(|error| error.to_string())?;
        Ok(line.trim().to_owned())
    }

    fn figure(&mut self, turn: Duration) -> Result<f64, String> {
        let asked = writeln!(self.stdin, "{}", turn.as_millis());
        asked.map_err(|error| error.to_string())?;
        let line = self.line()?;
        line.parse()
            .map_err(|_| format!("expected a figure, got {line:?}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
