//! The report for people: findings in full, then the verdict per profile.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::model::{CaseResult, Entry, Exit, Profile, Report, Verdict, YesNo};
use crate::rule::rules;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Lines of stderr that are shown.
const STDERR_LINES: usize = 12;
/// Entries of a transcript that are shown at each end.
const ENTRIES: usize = 12;
/// Characters of an entry that are shown.
const WIDTH: usize = 220;

/// Writes the whole report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for result in report.results.iter().filter(|r| r.verdict.is_finding()) {
        finding(result, out)?;
    }
    verdict(report, out)
}

/// One finding: what the rule asks, what happened, and how to see it again.
pub fn finding(result: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    let style = if result.verdict == Verdict::Warn {
        YELLOW
    } else {
        RED
    };
    let word = result.verdict.name().to_uppercase();
    let profile = result.profile.as_deref().unwrap_or_default();
    writeln!(
        out,
        "{style}{word}{style:#}  {BOLD}{}{BOLD:#}  {DIM}{profile}{DIM:#}",
        result.case()
    )?;
    // The first is the one that is broken, as far as that is known.
    if let Some(rule) = result.rules.first().and_then(|id| rules().get(id)) {
        let place = format!("{} · spec/{}.md#{}", rule.level, rule.page, rule.id);
        field(
            out,
            "rule",
            &format!("{}\n{DIM}{place}{DIM:#}", rule.sentence),
        )?;
    }
    if result.rules.len() > 1 {
        field(
            out,
            "",
            &format!("{DIM}or {}{DIM:#}", result.rules[1..].join(", ")),
        )?;
    }
    for (label, text) in [
        ("expected", &result.expected),
        ("actual", &result.actual),
        ("reason", &result.reason),
        ("hint", &result.hint),
    ] {
        if let Some(text) = text {
            field(out, label, &clean(text))?;
        }
    }
    if !result.transcript.is_empty() {
        field(out, "wire", &wire(&result.transcript))?;
    }
    if let Some(stderr) = &result.stderr {
        field(out, "stderr", &tail(stderr))?;
    }
    match &result.exit {
        Some(Some(exit)) => field(out, "exit", &exit_words(*exit))?,
        Some(None) => field(out, "exit", "it was still running; the suite killed it")?,
        None => {}
    }
    if let Some(line) = &result.reproduce {
        field(out, "again", &clean(line))?;
    }
    writeln!(out)
}

/// A case that needs no more than a line: what became of it, and the rules that it tests.
pub fn line(result: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    let profile = result.profile.as_deref().unwrap_or_default();
    writeln!(
        out,
        "{GREEN}{}{GREEN:#}  {}  {DIM}{profile}  {}{DIM:#}",
        result.verdict.name(),
        result.case(),
        result.rules.join(", ")
    )
}

/// The verdict per profile, and what else has to be said.
pub fn verdict(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let subject = &report.subject;
    let name = subject.name.as_deref().unwrap_or_default();
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}",
        name,
        crate::reproduce::quoted(&subject.command)
    )?;
    if !subject.claims.is_empty() {
        let claims = subject
            .claims
            .iter()
            .map(|(name, value)| clean(&format!("{name}: {value}")));
        writeln!(
            out,
            "  {DIM}{}{DIM:#}",
            claims.collect::<Vec<_>>().join("; ")
        )?;
    }
    let width = report
        .profiles
        .iter()
        .map(|p| p.name.len())
        .max()
        .unwrap_or(0);
    for profile in &report.profiles {
        profile_line(profile, width, out)?;
    }
    for (reason, count) in not_run(report) {
        let cases = if count == 1 { "case" } else { "cases" };
        writeln!(out, "  {DIM}{count} {cases} not run: {reason}{DIM:#}")?;
    }
    writeln!(
        out,
        "{DIM}FSI {}, {} {}, seed {}, {}, {:.1} s{DIM:#}",
        report.spec,
        report.suite.name,
        report.suite.version,
        report.seed,
        report.date,
        report.duration_ms as f64 / 1000.0
    )
}

/// Why cases were not run, and how many.
fn not_run(report: &Report) -> BTreeMap<&str, usize> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for result in report
        .results
        .iter()
        .filter(|r| r.verdict == Verdict::NotApplicable)
    {
        *reasons
            .entry(result.reason.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    reasons
}

fn profile_line(profile: &Profile, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let (style, word) = match profile.verdict {
        YesNo::Yes => (GREEN, "yes"),
        YesNo::No => (RED, "no "),
    };
    writeln!(
        out,
        "  {:width$}  {style}{word}{style:#}  {}",
        profile.name,
        profile.counts.words()
    )
}

/// `  label     text`, with further lines below the text.
fn field(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    for (n, line) in text.lines().enumerate() {
        let label = if n == 0 { label } else { "" };
        writeln!(out, "  {DIM}{label:8}{DIM:#}  {line}")?;
    }
    Ok(())
}

fn wire(entries: &[Entry]) -> String {
    let mut lines = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        if n == ENTRIES && entries.len() > 2 * ENTRIES {
            lines.push(format!(
                "{DIM}… {} entries left out; --format json has more …{DIM:#}",
                entries.len() - 2 * ENTRIES
            ));
        }
        if (ENTRIES..entries.len().saturating_sub(ENTRIES)).contains(&n) {
            continue;
        }
        let at = format!("{:8.3} s", entry.at_ms / 1000.0);
        let arrow = match entry.direction.as_str() {
            "stdin" => ">",
            "stdout" => "<",
            _ => "·",
        };
        for (n, text) in described(entry).into_iter().enumerate() {
            let at = if n == 0 {
                at.clone()
            } else {
                " ".repeat(at.len())
            };
            lines.push(format!("{DIM}{at}{DIM:#}  {arrow} {text}"));
        }
    }
    lines.join("\n")
}

/// What an entry says, and its bytes where they are not the same.
fn described(entry: &Entry) -> Vec<String> {
    let length = entry.length.unwrap_or(0);
    let bytes = entry
        .bytes
        .as_deref()
        .and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    match (bytes, &entry.text) {
        (None, text) => text.iter().map(|t| clip(t)).collect(),
        (Some(bytes), text) => {
            let raw = String::from_utf8_lossy(&bytes);
            let printable = std::str::from_utf8(&bytes)
                .is_ok_and(|t| !t.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            let mut lines: Vec<String> = Vec::new();
            if printable {
                lines.extend(raw.trim_end_matches('\n').split('\n').take(8).map(clip));
                // A line that has not ended is worth knowing about.
                if !raw.ends_with('\n') && length == bytes.len() {
                    lines.push(format!(
                        "{DIM}({length} bytes, no line feed at the end){DIM:#}"
                    ));
                }
                if let Some(writes) = text
                    .as_deref()
                    .and_then(|t| t.lines().last())
                    .filter(|l| l.ends_with("writes)"))
                {
                    lines.push(format!("{DIM}{writes}{DIM:#}"));
                }
            } else {
                lines.extend(text.iter().flat_map(|t| t.lines()).map(clip));
                let shown: Vec<String> =
                    bytes.iter().take(48).map(|b| format!("{b:02x}")).collect();
                let more = if length > 48 { " …" } else { "" };
                lines.push(format!(
                    "{DIM}{}{more} ({length} bytes){DIM:#}",
                    shown.join(" ")
                ));
            }
            lines
        }
    }
}

/// A text in several lines without the other control characters: those of a subject must not reach
/// the person's terminal.
pub(super) fn clean(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escaped).collect();
    lines.join("\n")
}

fn escaped(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        if c.is_control() {
            c.escape_default().collect::<Vec<_>>()
        } else {
            vec![c]
        }
    });
    escaped.collect()
}

fn clip(text: &str) -> String {
    let clean = escaped(text);
    match clean.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}… ({} characters)", &clean[..at], clean.chars().count()),
        None => clean,
    }
}

fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let from = lines.len().saturating_sub(STDERR_LINES);
    let mut shown: Vec<String> = lines[from..].iter().map(|l| clip(l)).collect();
    if from > 0 {
        shown.insert(0, format!("{DIM}… {from} lines before{DIM:#}"));
    }
    shown.join("\n")
}

fn exit_words(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("status {status}"),
        Exit::Signal(signal) => format!(
            "signal {signal}{}",
            signal_hook::low_level::signal_name(signal)
                .map(|n| format!(" ({n})"))
                .unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_subject_stay_off_the_terminal() {
        let raw = "on stdout: \u{1b}[2J\u{9b}2J\u{7}\nand on";
        let result = CaseResult {
            actual: Some(raw.to_owned()),
            hint: Some(raw.to_owned()),
            reason: Some(raw.to_owned()),
            ..CaseResult::new(
                "a/b#binary".to_owned(),
                "binary".to_owned(),
                Vec::new(),
                Verdict::Fail,
            )
        };
        let mut text = Vec::new();
        finding(&result, &mut text).expect("memory takes it");
        let text = String::from_utf8(text).expect("text");
        for raw in ["\u{1b}[2J", "\u{9b}", "\u{7}"] {
            assert!(!text.contains(raw), "{text:?}");
        }
        assert!(text.contains("on stdout: \\u{1b}[2J"), "{text}");
        assert_eq!(text.matches("  and on\n").count(), 3, "{text:?}");
    }
}
