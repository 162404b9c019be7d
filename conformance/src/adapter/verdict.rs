//! What an adapter printed, held against its fixture (spec/probe.md, "An adapter").

use libfaas::{Data, Encoding, Event, EventDecoder, Limits};

use super::response;
use crate::document;
use crate::fixture::{Fixture, Run, Truth};

/// The exit status for a payload that can't be mapped.
const UNMAPPABLE: i32 = 65;

/// What one run gave.
#[derive(Clone, Debug)]
pub struct Output {
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// The end of stderr.
    pub stderr: String,
    /// The exit status; None after a signal.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub ended: String,
}

/// What was expected, and what came.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What should have come.
    pub expected: String,
    /// What did.
    pub actual: String,
}

impl Difference {
    fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Difference {
            expected: cut(&expected.into()),
            actual: cut(&actual.into()),
        }
    }
}

/// Judges each run that the fixture wants.
pub fn of_runs<E>(
    fixture: &Fixture,
    mut run: impl FnMut(&Fixture) -> Result<Output, E>,
) -> Result<Option<Difference>, E> {
    for Run { fixture, how } in fixture.runs() {
        if let Err(mut difference) = same(&fixture, &run(&fixture)?) {
            if !how.is_empty() {
                difference.expected = format!("{how}: {}", difference.expected);
            }
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn same(fixture: &Fixture, output: &Output) -> Result<(), Difference> {
    match &fixture.truth {
        Truth::Refused { kind, pointer } => {
            let what = match kind.as_str() {
                "not-an-event" => Said::Word(kind),
                document => Said::Place(document, pointer),
            };
            if output.exit != Some(UNMAPPABLE) || !output.stdout.is_empty() {
                let expected = format!("exit status {UNMAPPABLE} and nothing on stdout");
                return Err(Difference::new(expected, output.words()));
            }
            said(what, &output.stderr)
        }
        _ if output.exit != Some(0) => Err(Difference::new("exit status 0", output.words())),
        Truth::Events { notice, .. } => {
            same_events(fixture, output)?;
            match notice {
                Some(kind) => said(Said::Word(kind), &output.stderr),
                None => Ok(()),
            }
        }
        Truth::Reply { responses, .. } => same_responses(responses, output),
    }
}

/// What the last line on stderr says before its text.
#[derive(Clone, Copy)]
enum Said<'a> {
    Word(&'a str),
    Place(&'a str, &'a str),
}

/// `PROGRAM: WHAT: TEXT`, where WHAT is a word, or `payload` or `delivery` with a JSON Pointer as a
/// URI fragment.
fn said(what: Said<'_>, stderr: &str) -> Result<(), Difference> {
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    let parts = last.and_then(|line| {
        let (_program, rest) = line.split_once(": ")?;
        let (said, text) = rest.split_once(": ")?;
        (!text.trim().is_empty()).then_some(said)
    });
    let right = parts.is_some_and(|said| match what {
        Said::Word(word) => said == word,
        Said::Place(document, pointer) => said.split_once('#').is_some_and(|(of, fragment)| {
            of == document && unescaped(fragment).as_deref() == Some(pointer)
        }),
    });
    if right {
        return Ok(());
    }
    let expected = match what {
        Said::Word(word) => format!("`{word}`"),
        Said::Place(document, pointer) => {
            format!("`{document}#` and the pointer `{pointer}` as a URI fragment")
        }
    };
    Err(Difference::new(
        format!("a last line on stderr `PROGRAM: WHAT: TEXT` whose WHAT is {expected}"),
        match last {
            Some(line) => format!("the line `{line}`"),
            None => "nothing on stderr".to_owned(),
        },
    ))
}

/// The text of a URI fragment; None if it has characters that can't stand there.
fn unescaped(fragment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?].map(char::from);
                let digits = [digits[0].to_digit(16)?, digits[1].to_digit(16)?];
                (digits[0] * 16 + digits[1]) as u8
            }
            byte if byte.is_ascii_graphic() => byte,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

fn same_events(fixture: &Fixture, output: &Output) -> Result<(), Difference> {
    let bad = |e| Difference::new("a fixture that can be used", e);
    let expected = fixture.events().map_err(bad)?;
    let count = format!("{} events on stdout, one a line", expected.len());
    let mut decoder = EventDecoder::new(Encoding::Json, Limits::default());
    decoder.push(&output.stdout);
    decoder.finish();
    let mut events = Vec::new();
    while let Some(event) = decoder
        .next()
        .map_err(|violation| Difference::new(&count, format!("{violation}; {}", output.words())))?
    {
        events.push(event);
    }
    if events.len() != expected.len() {
        return Err(Difference::new(count, output.words()));
    }
    for (nth, (expected, event)) in expected.iter().zip(&events).enumerate() {
        let wanted = Event::from_json(expected.clone()).map_err(|e| bad(e.to_string()))?;
        if !same_event(fixture, &wanted, event) {
            let expected = format!("as event {nth} {expected}");
            return Err(Difference::new(expected, event.to_json()));
        }
    }
    Ok(())
}

/// Attributes have to be equal, a time that stands so in the delivery to the character, and data to the digit.
fn same_event(fixture: &Fixture, wanted: &Event, came: &Event) -> bool {
    let time = |event: &Event| event.time().map(ToString::to_string);
    let verbatim = time(wanted).is_some_and(|time| fixture.has_text(&time));
    let data = |event: &Event| match event.data() {
        Some(Data::Json(json)) => document::canonical(json.as_str()).ok(),
        _ => None,
    };
    wanted == came && (!verbatim || time(wanted) == time(came)) && data(wanted) == data(came)
}

fn same_responses(expected: &[String], output: &Output) -> Result<(), Difference> {
    let stdout = std::str::from_utf8(&output.stdout).unwrap_or("�");
    let lines = stdout.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    if lines.len() != expected.len() {
        let expected = format!("one line for each of {}", expected.join(" "));
        return Err(Difference::new(expected, output.words()));
    }
    for (expected, line) in expected.iter().zip(lines) {
        match response::same(expected, line) {
            Ok(true) => {}
            Ok(false) => return Err(Difference::new(expected, line)),
            Err(e) => return Err(Difference::new(expected, format!("{line}: {e}"))),
        }
    }
    Ok(())
}

impl Output {
    fn words(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let [stdout, stderr] = [&*stdout, &self.stderr].map(cut);
        format!("{}; on stdout: {stdout}; on stderr: {stderr}", self.ended)
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(2000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, said};

    #[test]
    fn the_last_line_says_what_and_where() {
        let place =
            |document, pointer, stderr| said(Said::Place(document, pointer), stderr).is_ok();
        for line in [
            "adapter: payload#/a/b: missing\n",
            "trouble ahead\nadapter: payload#/a/b: expected text: none came\n\n",
            "adapter: payload#/%61%2Fb: missing",
        ] {
            assert!(place("payload", "/a/b", line), "{line}");
        }
        assert!(place("payload", "", "adapter: payload#: no JSON\n"));
        assert!(place(
            "delivery",
            "/größe a",
            "x: delivery#/gr%C3%B6%C3%9Fe%20a: missing"
        ));
        for line in [
            "",
            "adapter: /a/b: missing",
            "adapter: payload /a/b: missing",
            "adapter: payload#/a: b missing",
            "adapter: payload#/a/b/c: missing",
            "adapter: delivery#/a/b: missing",
            "adapter: payload#/a/b:",
            "payload#/a/b: missing",
            "adapter: payload#/a/b: missing\nTraceback: and: more",
        ] {
            assert!(!place("payload", "/a/b", line), "{line}");
        }
        assert!(!place("payload", "", "adapter: payload: no JSON"));
        assert!(!place(
            "payload",
            "/größe",
            "adapter: payload#/größe: missing"
        ));
        assert!(said(Said::Word("test"), "adapter: test: s3:TestEvent").is_ok());
        assert!(said(Said::Word("test"), "adapter: handshake: a test").is_err());
    }
}
