//! `explain`: one rule with its cases, or one case with its rules and steps.

use std::io::{self, Write};

use anstyle::Style;

use crate::case::Case;
use crate::coverage::Coverage;
use crate::embedded;
use crate::error::{Error, Result};
use crate::fault;
use crate::rule::{Rule, rules};

const BOLD: Style = Style::new().bold();
/// Vectors, or fixtures, of a rule that are shown.
const SHOWN: usize = 12;

const DIM: Style = Style::new().dimmed();

/// Writes what is known of a rule or a case.
pub fn explain(id: &str, cases: &[Case], out: &mut dyn Write) -> Result<()> {
    let id = id.split('#').next().unwrap_or(id);
    if let Some(rule) = rules().get(id) {
        return explain_rule(rule, cases, &Coverage::of(cases)?, out).map_err(Error::stdout);
    }
    if let Some(case) = cases.iter().find(|c| c.id == id) {
        return explain_case(case, out).map_err(Error::stdout);
    }
    let near = nearest(
        id,
        rules()
            .keys()
            .map(String::as_str)
            .chain(cases.iter().map(|c| c.id.as_str())),
    );
    let advice = match near[..] {
        [] => "`faas-conformance list` names them all".to_owned(),
        _ => format!("did you mean {}?", near.join(", ")),
    };
    Err(Error::usage(
        format!("there is no rule and no case `{id}`"),
        advice,
    ))
}

/// The names that contain `id`, or begin as it does.
fn nearest<'a>(id: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let shared = |name: &str| {
        name.chars()
            .zip(id.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut near: Vec<&str> = names
        .filter(|n| n.contains(id) || shared(n) * 3 >= id.len() * 2)
        .collect();
    near.sort_by_key(|name| std::cmp::Reverse(shared(name)));
    near.truncate(3);
    near
}

fn explain_rule(
    rule: &Rule,
    cases: &[Case],
    coverage: &Coverage,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Rule {
        id,
        level,
        role,
        page,
        sentence,
    } = rule;
    writeln!(
        out,
        "{BOLD}{id}{BOLD:#}  {DIM}{level}, {role}, spec/{page}.md{DIM:#}\n\n  {sentence}\n"
    )?;
    if !coverage.tests(rule) {
        return writeln!(out, "{}", coverage.words(rule));
    }
    for case in cases.iter().filter(|case| case.requires.contains(id)) {
        writeln!(out, "{BOLD}{}{BOLD:#}  {}", case.id, case.title)?;
        writeln!(out, "  why     {}", flat(&case.why))?;
        write_faults(case, out)?;
    }
    let vectors = coverage.vectors(id).iter();
    let lines = vectors.map(|vector| format!("{}: {}", vector.id, vector.why));
    write_some("vectors", "for codecs (schemas/vectors)", lines, out)?;
    let fixtures = coverage.fixtures(id);
    let lines = fixtures.iter().cloned();
    write_some("fixtures", "for adapters (adapters/fixtures)", lines, out)?;
    let faults = fault::adapter::FAULTS.iter();
    let of_rule = faults.filter(|fault| fault.is_of(id) && !fixtures.is_empty());
    for (n, fault) in of_rule.enumerate() {
        let label = if n == 0 { "faults" } else { "" };
        writeln!(out, "  {label:7} {}: {}", fault.name, fault.what)?;
    }
    Ok(())
}

/// How many there are, and the first of them.
fn write_some(
    what: &str,
    of: &str,
    lines: impl ExactSizeIterator<Item = String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = lines.len();
    if count > 0 {
        writeln!(out, "{BOLD}{count} {what}{BOLD:#}  {of}")?;
    }
    for line in lines.take(SHOWN) {
        writeln!(out, "  {line}")?;
    }
    match count.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "  … and {more} more"),
    }
}

fn explain_case(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}  {}\n", case.id, case.title)?;
    for id in &case.requires {
        let sentence = rules().get(id).map_or("(no such rule)", |r| &r.sentence);
        writeln!(out, "  rule    {BOLD}{id}{BOLD:#}: {sentence}")?;
    }
    writeln!(out, "  why     {}", flat(&case.why))?;
    write_faults(case, out)?;
    writeln!(out)?;
    if let Some((_, text)) = embedded::CASES.iter().find(|(id, _)| *id == case.id) {
        let steps = text.find("steps = ").map_or(*text, |at| &text[at..]);
        writeln!(out, "{steps}")?;
    }
    Ok(())
}

/// The faults that a case catches, and what each of them is.
fn write_faults(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    for (n, name) in case.faults.iter().enumerate() {
        let label = if n == 0 { "faults" } else { "" };
        let what = fault::PROBE
            .iter()
            .chain(fault::RUNTIME)
            .find(|f| f.name == name)
            .map_or("", |f| f.what);
        writeln!(out, "  {label:7} {name}: {what}")?;
    }
    Ok(())
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
