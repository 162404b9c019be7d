//! Structured log records on stderr.

use std::io::Write;

use jiff::Timestamp;

/// How severe a record is, by OpenTelemetry's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// Writes one record as a line of JSON. A log that can't be written is no reason to fail.
pub(super) fn write(severity: Severity, body: &str, call: Option<u64>) {
    let mut record = serde_json::json!({
        "timestamp": Timestamp::now().to_string(),
        "severityText": format!("{severity:?}").to_ascii_uppercase(),
        "body": body,
    });
    if let Some(call) = call {
        record["call"] = call.into();
    }
    let _ = std::io::stderr().write_all(format!("{record}\n").as_bytes());
}
