//! What a function writes to stderr: records, a line each, of which the most recent are kept.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::JsonText;

/// Bytes that are kept of one line: its last ones.
const MAX_LINE: usize = 16 << 10;
/// Bytes that are kept of the last line for a status: its first ones.
const MAX_LAST: usize = 4 << 10;

/// The stderr of one process. No I/O: bytes go in, records come out.
///
/// ```
/// use libfaas::host::Log;
///
/// let mut log = Log::new(64 << 10);
/// log.read(b"plain\n{\"body\":\"structured\",\"call\":7}\n{\"call\":8}\n", |call| call == 7);
/// assert_eq!(log.record().unwrap().text, "plain");
/// let record = log.record().unwrap();
/// assert_eq!((record.body(), record.call), ("structured", Some(7)));
/// // Who names a call that is not open is not believed.
/// assert_eq!(log.record().unwrap().call, None);
/// ```
#[derive(Debug)]
pub struct Log {
    limit: usize,
    /// The line that has no end yet.
    line: Vec<u8>,
    /// Bytes of that line that are not kept.
    lost: bool,
    records: VecDeque<Record>,
    /// Bytes of their texts.
    held: usize,
    dropped: u64,
    last: String,
}

/// A line of stderr.
///
/// It is shown with [`Display`](fmt::Display), which escapes control characters (`log-escape`).
/// Tenant and trace are not in it: they are those of the call, whatever the line says
/// (`log-identity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line as it came, without its end; what is not UTF-8 is replaced. Only the end of a very
    /// long line, after an ellipsis.
    pub text: String,
    /// What the line says as one JSON object, if it is one.
    pub structured: Option<Structured>,
    /// The call that it names, if that was open (`log-call-believed`).
    pub call: Option<u64>,
}

/// A line that is one JSON object, with OpenTelemetry's names. Members of other types are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structured {
    /// When it happened by the function's clock; not checked.
    pub timestamp: Option<String>,
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL`; not checked.
    pub severity: Option<String>,
    /// The message.
    pub body: Option<String>,
    /// A JSON object.
    pub attributes: Option<JsonText>,
}

impl Log {
    /// Keeps at most `limit` bytes of records that nobody takes, the most recent ones.
    pub fn new(limit: usize) -> Self {
        Log {
            limit,
            line: Vec::new(),
            lost: false,
            records: VecDeque::new(),
            held: 0,
            dropped: 0,
            last: String::new(),
        }
    }

    /// Takes what stderr had. `is_open` says whether a call is open now.
    pub fn read(&mut self, mut bytes: &[u8], is_open: impl Fn(u64) -> bool) {
        while let Some(at) = bytes.iter().position(|&b| b == b'\n') {
            self.push(&bytes[..at]);
            self.end_line(&is_open);
            bytes = &bytes[at + 1..];
        }
        self.push(bytes);
    }

    /// Says that stderr has ended, so that a last line without a line feed counts.
    pub fn end(&mut self, is_open: impl Fn(u64) -> bool) {
        if !self.line.is_empty() {
            self.end_line(&is_open);
        }
    }

    /// The oldest record that is kept and was not taken yet.
    pub fn record(&mut self) -> Option<Record> {
        let record = self.records.pop_front()?;
        self.held -= record.text.len();
        Some(record)
    }

    /// How many records were dropped, because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The last line that is not empty, the message of a status that is made from an exit status
    /// (`status-message-from-stderr`): at most 4 KiB.
    pub fn last_line(&self) -> &str {
        &self.last
    }

    fn push(&mut self, bytes: &[u8]) {
        let fresh = &bytes[bytes.len().saturating_sub(MAX_LINE)..];
        self.lost |= fresh.len() < bytes.len();
        self.line.extend_from_slice(fresh);
        // Not with every piece: what is moved was at least as much as what stays.
        if self.line.len() > 2 * MAX_LINE {
            self.line.drain(..self.line.len() - MAX_LINE);
            self.lost = true;
        }
    }

    fn end_line(&mut self, is_open: impl Fn(u64) -> bool) {
        let start = self.line.len().saturating_sub(MAX_LINE);
        let kept = &self.line[start..];
        let kept = kept.strip_suffix(b"\r").unwrap_or(kept);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        if self.lost || start > 0 {
            text.insert(0, '…');
        }
        self.lost = false;
        self.line.clear();
        let trimmed = text.trim();
        if !trimmed.is_empty() {
            let end = trimmed.floor_char_boundary(MAX_LAST);
            self.last.clear();
            self.last.push_str(&trimmed[..end]);
        }
        let (structured, call) = match structured(&text) {
            Some((structured, call)) => (Some(structured), call.filter(|&call| is_open(call))),
            None => (None, None),
        };
        self.held += text.len();
        self.records.push_back(Record {
            text,
            structured,
            call,
        });
        /// What a record costs besides its text, so that empty lines have a bound too.
        const RECORD: usize = 64;
        while self.held + RECORD * self.records.len() > self.limit && self.records.len() > 1 {
            self.record();
            self.dropped += 1;
        }
    }
}

impl Record {
    /// The message: the body of a structured record that has one, else the line.
    pub fn body(&self) -> &str {
        let body = self
            .structured
            .as_ref()
            .and_then(|structured| structured.body.as_deref());
        body.unwrap_or(&self.text)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.text))
    }
}

/// Escapes what would move the cursor, colour a terminal, or turn the direction of a text
/// (`log-escape`).
///
/// ```
/// assert_eq!(libfaas::host::escape("red: \u{1b}[31m"), "red: \\u{1b}[31m");
/// ```
pub fn escape(text: &str) -> Cow<'_, str> {
    let bad =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => escaped.push(c),
            c if bad(c) => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// The members of a structured record, each as it stands there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    severity_text: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
    attributes: Option<&'a RawValue>,
    call: Option<&'a RawValue>,
}

fn structured(line: &str) -> Option<(Structured, Option<u64>)> {
    if !line.trim_start().starts_with('{') {
        return None;
    }
    let members: Members<'_> = serde_json::from_str(line).ok()?;
    let text = |value: Option<&RawValue>| serde_json::from_str(value?.get()).ok();
    let object = members
        .attributes
        .filter(|value| value.get().starts_with('{'));
    let structured = Structured {
        timestamp: text(members.timestamp),
        severity: text(members.severity_text),
        body: text(members.body).or_else(|| members.body.map(|body| body.get().to_owned())),
        attributes: object.and_then(|value| JsonText::new(value.get()).ok()),
    };
    let call = members
        .call
        .and_then(|call| serde_json::from_str(call.get()).ok());
    Some((structured, call))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(log: &mut Log) -> Vec<String> {
        std::iter::from_fn(|| log.record())
            .map(|record| record.text)
            .collect()
    }

    #[test]
    fn a_flood_is_bounded_and_the_most_recent_is_kept() {
        let mut log = Log::new(1000);
        for n in 0..10_000 {
            log.read(format!("line {n}\n").as_bytes(), |_| false);
        }
        assert_eq!(log.last_line(), "line 9999");
        let kept = lines(&mut log);
        assert!(kept.len() > 5, "{}", kept.len());
        assert_eq!(kept.last().unwrap(), "line 9999");
        assert_eq!(log.dropped() + kept.len() as u64, 10_000);
        log.read(&[b'\n'; 100_000], |_| false);
        assert!(lines(&mut log).len() <= 16);
    }

    #[test]
    fn a_line_is_bounded_too() {
        let mut log = Log::new(64 << 10);
        let long = [vec![b'a'; 1 << 20], b"the end".to_vec()].concat();
        for piece in long.chunks(1000) {
            log.read(piece, |_| false);
            assert!(log.line.len() <= 2 * MAX_LINE + 1000);
        }
        log.read(b"\nnext", |_| false);
        log.end(|_| false);
        let kept = lines(&mut log);
        assert!(kept[0].starts_with("…aaa") && kept[0].ends_with("the end"));
        assert_eq!(kept[0].len(), MAX_LINE + '…'.len_utf8());
        assert_eq!(kept[1], "next");
        log.read(format!("{}\n", "é".repeat(4000)).as_bytes(), |_| false);
        assert_eq!(log.last_line().len(), MAX_LAST);
    }

    #[test]
    fn the_last_line_is_the_last_that_is_not_empty() {
        let mut log = Log::new(1000);
        log.read(b"  the door is locked \r\n\n \t\n", |_| false);
        assert_eq!(log.last_line(), "the door is locked");
    }

    #[test]
    fn an_object_is_structured_and_anything_else_is_text() {
        let mut log = Log::new(10_000);
        let one = br#"{"severityText":"WARN","body":"hot","attributes":{"t":90.10},"call":3,"traceId":"ff"}"#;
        for line in [
            &one[..],
            b"{\"body\":",
            b"[1]",
            br#"{"body":{"a":1},"severityText":5,"call":-1}"#,
        ] {
            log.read(line, |_| true);
            log.read(b"\n", |_| true);
        }
        let first = log.record().unwrap();
        let structured = first.structured.clone().unwrap();
        assert_eq!(structured.severity.as_deref(), Some("WARN"));
        assert_eq!(structured.attributes.unwrap().as_str(), "{\"t\":90.10}");
        assert_eq!((first.body(), first.call), ("hot", Some(3)));
        for _ in 0..2 {
            assert_eq!(log.record().unwrap().structured, None);
        }
        let odd = log.record().unwrap();
        assert_eq!((odd.body(), odd.call), ("{\"a\":1}", None));
        assert_eq!(odd.structured.unwrap().severity, None);
    }

    #[test]
    fn control_characters_are_escaped_when_shown() {
        let mut log = Log::new(1000);
        log.read(b"a\tb\x1b]0;x\x07 \x00 \xE2\x80\xAE\n", |_| false);
        assert_eq!(
            log.record().unwrap().to_string(),
            "a\tb\\u{1b}]0;x\\u{7} \\u{0} \\u{202e}"
        );
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_records_are_the_same(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'{'), any::<u8>()], 0..200),
            size in 1usize..20,
        ) {
            let (mut whole, mut pieces) = (Log::new(1 << 20), Log::new(1 << 20));
            whole.read(&text, |_| true);
            text.chunks(size).for_each(|piece| pieces.read(piece, |_| true));
            whole.end(|_| true);
            pieces.end(|_| true);
            prop_assert_eq!(whole.last_line(), pieces.last_line());
            prop_assert_eq!(lines(&mut whole), lines(&mut pieces));
        }
    }
}
