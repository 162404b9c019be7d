//! `faas-oracle`: an adapter that knows every fixture by heart, as a filter (spec/probe.md, "An adapter").
//! With `--fault NAME` it misbehaves, to prove that the suite notices.

use std::io::{Read, Write};
use std::process::ExitCode;

use faas_conformance::fixture::{Fixture, Truth, of_source};
use serde_json::Value;

/// What the suite asked.
#[derive(Default)]
struct Asked {
    source: String,
    fault: String,
    delivery: String,
    /// With `--reply`: the payload that is answered.
    answered: Option<Vec<u8>>,
}

fn main() -> ExitCode {
    let asked = asked();
    let mut stdin = Vec::new();
    std::io::stdin()
        .read_to_end(&mut stdin)
        .expect("stdin can be read");
    let all = of_source(&asked.source).expect("the fixtures can be read");
    let fits = |fixture: &&Fixture| {
        let payload = asked.answered.as_ref().unwrap_or(&stdin);
        let same = fixture.source == asked.source
            && fixture.delivery == asked.delivery
            && fixture.payload == *payload;
        same && match &fixture.truth {
            Truth::Reply { answers, .. } => asked.answered.is_some() && answers.as_bytes() == stdin,
            _ => asked.answered.is_none(),
        }
    };
    let fixture = all.iter().find(fits).expect("only fixtures are asked");
    let (stdout, stderr, exit) = answer(fixture, &asked.fault);
    // Whether anybody listens is not what is tried here.
    let _ = std::io::stderr().write_all(stderr.as_bytes());
    let _ = std::io::stdout().write_all(stdout.as_bytes());
    ExitCode::from(exit)
}

fn asked() -> Asked {
    let mut asked = Asked::default();
    let read = |path: Option<String>| {
        std::fs::read(path.expect("a file's name follows")).expect("the file can be read")
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--fault" => asked.fault = words.next().expect("a fault's name follows"),
            "--delivery" => {
                asked.delivery = String::from_utf8(read(words.next())).expect("JSON is UTF-8")
            }
            "--payload" => asked.answered = Some(read(words.next())),
            "--reply" => {}
            source => asked.source = source.to_owned(),
        }
    }
    asked
}

/// stdout, stderr and the exit status.
fn answer(fixture: &Fixture, fault: &str) -> (String, String, u8) {
    match (&fixture.truth, fault) {
        (_, "crashes") => std::process::abort(),
        (Truth::Refused { .. }, "accepts-anything") => (String::new(), String::new(), 0),
        (Truth::Refused { .. }, "refuses-without-a-word") => (String::new(), String::new(), 65),
        (Truth::Refused { pointer }, "writes-before-it-fails") => {
            (format!("{SOME_EVENT}\n"), pointer.clone(), 65)
        }
        (Truth::Refused { pointer }, _) => (String::new(), format!("{pointer}: refused"), 65),
        (Truth::Events { .. }, "refuses-byte-order-marks")
            if fixture.payload.starts_with(b"\xEF\xBB\xBF") =>
        {
            (String::new(), "a byte order mark".to_owned(), 65)
        }
        (
            Truth::Events {
                events,
                notice: true,
            },
            "maps-handshakes",
        ) if events.is_empty() => (format!("{SOME_EVENT}\n"), "mapped".to_owned(), 0),
        (Truth::Events { .. }, _) => {
            let mut events = fixture.events().expect("the fixture can be used");
            match fault {
                "reverses-batches" => events.reverse(),
                "takes-the-first" => events.truncate(1),
                _ => {}
            }
            let lines = events
                .iter()
                .map(|event| format!("{}\n", disfigured(event, fault)));
            (lines.collect(), "a notice, if it is one".to_owned(), 0)
        }
        (Truth::Reply { ok: false, .. }, "fails-open") => {
            ("{\"status\":204}\n".to_owned(), String::new(), 0)
        }
        (
            Truth::Reply {
                answers, ok: true, ..
            },
            "forgets-to-answer",
        ) if !answers.contains("\"event\":") => (String::new(), String::new(), 0),
        (Truth::Reply { response, .. }, _) => {
            let response: Value = serde_json::from_str(response).expect("the fixture can be used");
            let said = response
                .get("value")
                .or(response.get("http"))
                .unwrap_or(&response);
            (format!("{said}\n"), String::new(), 0)
        }
    }
}

const SOME_EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/oracle","type":"oracle"}"#;

/// An event on one line, with what the fault does to it.
fn disfigured(event: &str, fault: &str) -> String {
    let event = event.replace(['\n', '\r'], " ");
    match fault {
        // As most libraries read and write it: numbers become doubles.
        "detours-numbers" => {
            let mut event: Value =
                serde_json::from_str(&event.replace("1e400", "1e300")).unwrap_or_default();
            doubles(&mut event);
            event.to_string()
        }
        "loses-subjects" => without(&event, |event| {
            event.remove("subject");
        }),
        "loses-times" => without(&event, |event| {
            event.remove("time");
        }),
        "loses-members" => without(&event, |event| {
            if let Some(Value::Object(data)) = event.get_mut("data") {
                let first = data.keys().next().cloned();
                first.and_then(|first| data.remove(&first));
            }
        }),
        _ => event,
    }
}

fn without(event: &str, change: impl Fn(&mut serde_json::Map<String, Value>)) -> String {
    match serde_json::from_str(event) {
        Ok(Value::Object(mut event)) => {
            change(&mut event);
            Value::Object(event).to_string()
        }
        _ => event.to_owned(),
    }
}

fn doubles(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(double) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = double;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(doubles),
        Value::Object(members) => members.values_mut().for_each(doubles),
        _ => {}
    }
}
