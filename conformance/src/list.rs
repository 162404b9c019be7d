//! `list`: the rules, their cases, and what is not tested.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use crate::case::Case;
use crate::coverage::Coverage;
use crate::error::{Error, Result};
use crate::rule::{Level, Rule, rules};
use crate::vector::vectors;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the rules page by page, each with what tests it, and the coverage at the end.
pub fn list(cases: &[Case], pattern: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let coverage = Coverage::of(cases)?;
    let wanted = |rule: &Rule| {
        pattern.is_none_or(|p| {
            let tested_so = coverage.cases(&rule.id).iter().any(|case| case.contains(p));
            rule.id.contains(p) || rule.page == p || rule.role == p || tested_so
        })
    };
    let mut pages: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in rules().values().filter(|rule| wanted(rule)) {
        pages.entry(&rule.page).or_default().push(rule);
    }
    if pages.is_empty() {
        return Err(Error::usage(
            format!(
                "no rule, page, role or case has `{}` in its name",
                pattern.unwrap_or_default()
            ),
            "`faas-conformance list` without a pattern shows all",
        ));
    }
    write_pages(&pages, &coverage, out).map_err(Error::stdout)?;
    if pattern.is_none() {
        let vectors = vectors()?.len();
        write_coverage(&coverage, cases.len(), vectors, out).map_err(Error::stdout)?;
    }
    Ok(())
}

fn write_pages(
    pages: &BTreeMap<&str, Vec<&Rule>>,
    coverage: &Coverage,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (page, rules) in pages {
        writeln!(out, "{BOLD}{page}{BOLD:#}")?;
        for rule in rules {
            writeln!(
                out,
                "  {} {DIM}{} {}{DIM:#}",
                rule.id, rule.level, rule.role
            )?;
            writeln!(out, "      {}", coverage.words(rule))?;
        }
    }
    Ok(())
}

fn write_coverage(
    coverage: &Coverage,
    cases: usize,
    vectors: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let must = |rules: &[&Rule]| rules.iter().filter(|r| r.level == Level::Must).count();
    let all: Vec<&Rule> = rules().values().collect();
    let (tested, open): (Vec<&Rule>, Vec<&Rule>) =
        all.iter().partition(|rule| coverage.tests(rule));
    let reasons = open
        .iter()
        .filter(|rule| coverage.reason(&rule.id).is_some())
        .count();
    writeln!(
        out,
        "\n{BOLD}{} rules{BOLD:#}, of these {} MUST",
        all.len(),
        must(&all)
    )?;
    writeln!(
        out,
        "  tested    {} (of these {} MUST), by {cases} cases and {vectors} vectors",
        tested.len(),
        must(&tested)
    )?;
    writeln!(
        out,
        "  untested  {}: {reasons} with a reason, {} without",
        open.len(),
        open.len() - reasons
    )
}
