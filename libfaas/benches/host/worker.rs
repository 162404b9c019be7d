//! A comparison's own process.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::comparison::{Row, Unit};
use crate::machine;
use crate::options::Options;
use crate::rows::{self, Entry};

/// No comparison takes longer on a machine that works.
const MOST: Duration = Duration::from_secs(180);

/// Measures one comparison in a process of its own.
pub(crate) fn measure(entry: &Entry, options: &Options, told: (&str, &str)) -> Vec<Row> {
    run(entry, options, told).unwrap_or_else(|why| vec![missing(entry, why)])
}

fn run(entry: &Entry, options: &Options, told: (&str, &str)) -> Result<Vec<Row>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--worker", &entry.id]);
    command.args(["--turns", &options.turns.to_string()]);
    command.args(["--turn-ms", &options.turn.as_millis().to_string()]);
    if !options.peers {
        command.arg("--no-peers");
    }
    command.env_remove("CARGO_MANIFEST_DIR").env(told.0, told.1);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let (sender, receiver) = mpsc::channel();
    // The worker's own children may keep its stdout open for longer than it lives.
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(read.map(|_| line));
    });
    let line = receiver.recv_timeout(MOST);
    if line.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match line {
        Ok(Ok(line)) if status.success() => {
            serde_json::from_str(&line).map_err(|error| format!("the worker's answer: {error}"))
        }
        Ok(_) => Err(format!("the worker ended with {status}; stderr says why")),
        Err(_) => Err(format!("no result after {MOST:?}")),
    }
}

/// Is that process.
pub(crate) fn serve(options: &Options) -> ExitCode {
    let id = &options.filters[0];
    let Some(entry) = rows::all().into_iter().find(|entry| entry.id == *id) else {
        eprintln!("{id}: no such comparison");
        return ExitCode::from(2);
    };
    let rows = if machine::keep_to(entry.cores) {
        match (entry.prepare)(options) {
            Ok(mut comparison) => {
                let row = missing(&entry, String::new());
                let row = Row {
                    missing: None,
                    ..row
                };
                let rows = comparison.measure(&row, options.turns, options.turn);
                // Nothing is shut down: what was started ends with its stdin.
                std::mem::forget(comparison);
                rows
            }
            Err(why) => vec![missing(&entry, why)],
        }
    } else {
        let why = format!("this machine can't keep a process to {} cores", entry.cores);
        vec![missing(&entry, why)]
    };
    println!("{}", serde_json::to_string(&rows).expect("rows are JSON"));
    ExitCode::SUCCESS
}

fn missing(entry: &Entry, why: String) -> Row {
    Row {
        id: entry.id.clone(),
        what: entry.what.clone(),
        cores: entry.cores,
        name: "libfaas".to_owned(),
        unit: Unit::Seconds,
        figure: None,
        against: None,
        ratio: None,
        target: None,
        reached: Some(false),
        missing: Some(why),
        turns: 0,
    }
}
