//! The functions: this program again, speaking stream mode by hand so that it can do it wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// `soak function stream`, or `soak function once`.
pub(crate) fn run() -> ExitCode {
    match std::env::args().nth(2).as_deref() {
        Some("once") => once(),
        _ => stream(),
    }
    ExitCode::SUCCESS
}

/// Binary mode: upper case.
fn once() {
    if std::env::var("CE_SUBJECT").as_deref() == Ok("hang") {
        hang();
    }
    let mut input = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut input).is_ok() {
        input.make_ascii_uppercase();
        let _ = std::io::stdout().lock().write_all(&input);
    }
}

fn stream() {
    // Of the calls that wait for a cancel: whether they heed it.
    let mut waiting = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        let call = message["call"].as_u64().unwrap_or_default();
        if message.get("hello").is_some() {
            write(&json!({"call": 0, "hello": {"fsi": "1.0", "producer": "soak"}}));
        } else if message.get("cancel").is_some() {
            write(&json!({"call": call, "cancel": message["cancel"]}));
            if waiting.remove(&call) == Some(true) {
                write(&json!({"call": call, "end": {"code": "CANCELLED"}}));
            }
        } else if let Some(event) = message.get("event") {
            // Every call here is one message.
            let attempt = message["context"]["attempt"].as_u64().unwrap_or(1);
            if let Some(heeds) = act(call, event, attempt) {
                waiting.insert(call, heeds);
            }
        }
    }
}

/// Does what the event says. Whether its call waits for a cancel, and heeds it.
fn act(call: u64, event: &Value, attempt: u64) -> Option<bool> {
    let number = |name: &str| event["data"][name].as_u64().unwrap_or_default();
    match event["type"].as_str().unwrap_or_default() {
        "echo" => give(call, event, true),
        "fail" => write(&json!({"call": call, "end": event["data"]})),
        "flaky" if attempt < 2 => write(&json!({"call": call, "end": {"code": "ABORTED"}})),
        "flaky" => give(call, event, true),
        "many" => {
            (0..number("count")).for_each(|_| give(call, event, false));
            write(&json!({"call": call, "end": {}}));
        }
        "stderr" => {
            (0..number("lines")).for_each(|_| eprintln!("{}", "a flood of words ".repeat(16)));
            give(call, event, true);
        }
        ty @ ("wait" | "stubborn") => {
            give(call, event, false);
            return Some(ty == "wait");
        }
        "flood" => loop {
            give(call, event, false);
        },
        "hog" => {
            // Written to, so that it is really taken.
            let taken = std::hint::black_box(vec![1u8; 256 << 20]);
            write(&json!({"call": call, "end": {"message": taken.len().to_string()}}));
        }
        "die" => std::process::abort(),
        "exit" => std::process::exit(3),
        "garbage" => raw(b"Segmentation fault (core dumped)\n"),
        "half" => {
            raw(b"{\"call\":1,\"event\":{\"specversion\":\"1.0\",");
            hang();
        }
        "deaf" => hang(),
        _ => write(&json!({"call": call, "end": {"code": "UNIMPLEMENTED"}})),
    }
    None
}

/// The event as a result, and the end with it or not.
fn give(call: u64, event: &Value, end: bool) {
    let mut message = json!({"call": call, "event": event});
    if end {
        message["end"] = json!({});
    }
    write(&message);
}

fn write(message: &Value) {
    raw(format!("{message}\n").as_bytes());
}

fn raw(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

fn hang() {
    std::thread::sleep(Duration::from_secs(3600));
}
