//! The report as Markdown: the claim, the profiles, the findings.

use std::io::{self, Write};

use super::human::clean;
use super::model::{Report, Verdict, YesNo};
use crate::rule::rules;

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let subject = &report.subject;
    writeln!(out, "# {}\n", subject.name.as_deref().unwrap_or("Report"))?;
    writeln!(
        out,
        "Judged by {} {} against FSI {} on {}, seed {}:\n\n```sh\n{}\n```\n",
        report.suite.name,
        report.suite.version,
        report.spec,
        report.date,
        report.seed,
        crate::reproduce::quoted(&subject.command)
    )?;
    writeln!(
        out,
        "| profile | verdict | passed | failed | warned | known to fail | errors | not applicable |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for profile in &report.profiles {
        let verdict = if profile.verdict == YesNo::Yes {
            "yes"
        } else {
            "**no**"
        };
        let c = &profile.counts;
        writeln!(
            out,
            "| {} | {verdict} | {} | {} | {} | {} | {} | {} |",
            profile.name, c.pass, c.fail, c.warn, c.known_fail, c.error, c.not_applicable
        )?;
    }
    for result in report
        .results
        .iter()
        .filter(|r| r.verdict.is_finding() || r.verdict == Verdict::KnownFail)
    {
        writeln!(out, "\n## {}: {}\n", result.verdict.name(), result.id)?;
        for rule in result.rules.iter().filter_map(|id| rules().get(id)) {
            writeln!(
                out,
                "> {} ({}, spec/{}.md#{})\n",
                rule.sentence, rule.level, rule.page, rule.id
            )?;
        }
        for (label, text) in [
            ("Expected", &result.expected),
            ("Actual", &result.actual),
            ("Reason", &result.reason),
            ("Hint", &result.hint),
        ] {
            if let Some(text) = text {
                writeln!(out, "{label}:\n\n{}\n", indented(text))?;
            }
        }
        if let Some(line) = &result.reproduce {
            writeln!(out, "```sh\n{line}\n```")?;
        }
    }
    Ok(())
}

/// An indented block can't be ended by what stands in it.
fn indented(text: &str) -> String {
    clean(text)
        .lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
