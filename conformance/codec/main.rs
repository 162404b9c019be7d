//! `faas-codec`: libfaas's encodings behind the command that spec/probe.md describes, so that the
//! suite can judge them. With `--fault NAME` it misbehaves, to prove that the suite notices.

use std::io::{self, BufRead, Write};

use data_encoding::BASE64;
use faas_conformance::meaning;
use libfaas::{Encoding, Violation};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    op: String,
    encoding: String,
    of: String,
    #[serde(default)]
    bytes: String,
    #[serde(default)]
    meaning: Value,
}

/// What the codec does wrong on purpose.
enum Fault {
    None,
    /// Takes what breaks this rule for valid.
    Accepts(String),
    /// Crashes where this rule is broken.
    Crashes(String),
    /// Leaves out the attributes of what it decodes.
    LosesAttributes,
    /// Leaves out the data of what it encodes.
    LosesData,
}

enum Refusal {
    Broken(Violation),
    Request(String),
}

fn main() -> io::Result<()> {
    let fault = fault();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match answer(&line?, &fault) {
            Ok(answer) => answer,
            Err(Refusal::Request(error)) => json!({ "error": error }),
            Err(Refusal::Broken(violation)) => match &fault {
                Fault::Accepts(rule) if violation.rule() == rule => json!({ "meaning": {} }),
                Fault::Crashes(rule) if violation.rule() == rule => std::process::abort(),
                _ => json!({ "error": violation.to_string(), "rule": violation.rule() }),
            },
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn fault() -> Fault {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => Fault::None,
        ["--fault", "loses-attributes"] => Fault::LosesAttributes,
        ["--fault", "loses-data"] => Fault::LosesData,
        ["--fault", name] if name.starts_with("accepts-") => {
            Fault::Accepts(name["accepts-".len()..].to_owned())
        }
        ["--fault", name] if name.starts_with("crashes-") => {
            Fault::Crashes(name["crashes-".len()..].to_owned())
        }
        _ => {
            eprintln!(
                "usage: faas-codec [--fault accepts-RULE|crashes-RULE|loses-attributes|loses-data]"
            );
            std::process::exit(64);
        }
    }
}

fn answer(line: &str, fault: &Fault) -> Result<Value, Refusal> {
    let request: Request =
        serde_json::from_str(line).map_err(|e| Refusal::Request(e.to_string()))?;
    let encoding: Encoding = request
        .encoding
        .parse()
        .map_err(|_| Refusal::Request("no such encoding".to_owned()))?;
    match request.op.as_str() {
        "decode" => {
            let bytes = BASE64
                .decode(request.bytes.as_bytes())
                .map_err(|e| Refusal::Request(format!("`bytes`: {e}")))?;
            let mut meaning =
                meaning::read(&request.of, encoding, bytes).map_err(Refusal::Broken)?;
            if let Fault::LosesAttributes = fault {
                lose(&mut meaning, "attributes", json!({}));
            }
            Ok(json!({ "meaning": meaning }))
        }
        "encode" => {
            let mut meaning = request.meaning;
            if let Fault::LosesData = fault {
                lose(&mut meaning, "data", Value::Null);
            }
            let bytes =
                meaning::write(&request.of, encoding, &meaning).map_err(Refusal::Request)?;
            Ok(json!({ "bytes": BASE64.encode(&bytes) }))
        }
        other => Err(Refusal::Request(format!("there is no op {other:?}"))),
    }
}

/// Replaces a member of every event in a meaning; by null: takes it away.
fn lose(meaning: &mut Value, name: &str, by: Value) {
    match meaning {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| lose(item, name, by.clone())),
        Value::Object(members) => {
            if let Some(event) = members.get_mut("event") {
                lose(event, name, by);
            } else if members.contains_key("source") {
                members.remove(name);
                if !by.is_null() {
                    members.insert(name.to_owned(), by);
                }
            }
        }
        _ => {}
    }
}
