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
    let line = record(Timestamp::now(), severity, body, call);
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn record(timestamp: Timestamp, severity: Severity, body: &str, call: Option<u64>) -> String {
    let mut record = serde_json::json!({
        "timestamp": timestamp.to_string(),
        "severityText": format!("{severity:?}").to_ascii_uppercase(),
        "body": body,
    });
    if let Some(call) = call {
        record["call"] = call.into();
    }
    format!("{record}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_of_json() {
        let line = record(Timestamp::UNIX_EPOCH, Severity::Warn, "two\nlines", Some(7));
        assert_eq!(line.matches('\n').count(), 1);
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "timestamp": "1970-01-01T00:00:00Z", "severityText": "WARN", "body": "two\nlines", "call": 7,
        });
        assert_eq!(record, expected);
    }
}
