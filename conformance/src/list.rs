//! `list`: the rules, their cases, and what is not tested.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use crate::case::{Case, untested};
use crate::error::{Error, Result};
use crate::rule::{Level, Rule, rules};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the rules page by page, each with its cases, and the coverage at the end.
pub fn list(cases: &[Case], pattern: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let untested = untested()?;
    let mut pages: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in rules().values() {
        pages.entry(&rule.page).or_default().push(rule);
    }
    let covers = |rule: &Rule| -> Vec<&str> {
        cases
            .iter()
            .filter(|c| c.requires.contains(&rule.id))
            .map(|c| c.id.as_str())
            .collect()
    };
    let wanted = |rule: &Rule| {
        pattern.is_none_or(|p| {
            rule.id.contains(p)
                || rule.page == p
                || rule.role == p
                || covers(rule).iter().any(|c| c.contains(p))
        })
    };
    let mut write = || -> io::Result<usize> {
        let mut listed = 0;
        for (page, rules) in &pages {
            let rules: Vec<&&Rule> = rules.iter().filter(|r| wanted(r)).collect();
            if rules.is_empty() {
                continue;
            }
            writeln!(out, "{BOLD}{page}{BOLD:#}")?;
            for rule in rules {
                listed += 1;
                let cases = covers(rule);
                let state = match (cases.is_empty(), untested.get(&rule.id)) {
                    (false, _) => cases.join(", "),
                    (true, Some(reason)) => format!("not tested: {reason}"),
                    (true, None) => "not tested".to_owned(),
                };
                writeln!(
                    out,
                    "  {} {DIM}{} {}{DIM:#}\n      {state}",
                    rule.id, rule.level, rule.role
                )?;
            }
        }
        Ok(listed)
    };
    let listed = write().map_err(gone)?;
    if listed == 0 {
        return Err(Error::usage(
            format!(
                "no rule, page, role or case has `{}` in its name",
                pattern.unwrap_or_default()
            ),
            "`faas-conformance list` without a pattern shows all",
        ));
    }
    if pattern.is_none() {
        coverage(cases, &untested, out).map_err(gone)?;
    }
    Ok(())
}

fn coverage(
    cases: &[Case],
    untested: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tested = |rule: &&Rule| cases.iter().any(|c| c.requires.contains(&rule.id));
    let all: Vec<&Rule> = rules().values().collect();
    let must = all.iter().filter(|r| r.level == Level::Must).count();
    let covered: Vec<&&Rule> = all.iter().filter(|r| tested(r)).collect();
    let covered_must = covered.iter().filter(|r| r.level == Level::Must).count();
    let reasoned = all
        .iter()
        .filter(|r| !tested(r) && untested.contains_key(&r.id))
        .count();
    writeln!(
        out,
        "\n{BOLD}{} rules{BOLD:#}, of these {must} MUST",
        all.len()
    )?;
    writeln!(
        out,
        "  tested      {} (of these {covered_must} MUST) by {} cases",
        covered.len(),
        cases.len()
    )?;
    writeln!(
        out,
        "  not tested  {} with a reason, {} without",
        reasoned,
        all.len() - covered.len() - reasoned
    )
}

/// Whoever read stdout is gone: nothing to tell, and nobody to tell it to.
fn gone(e: io::Error) -> Error {
    Error::not_judged(
        format!("stdout can't be written: {e}"),
        "give it somewhere to go",
    )
}
