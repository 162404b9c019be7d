//! The report in the Test Anything Protocol, version 12.

use std::io::{self, Write};

use testanything::tap_suite_builder::TapSuiteBuilder;
use testanything::tap_test_builder::TapTestBuilder;

use super::human::clean;
use super::model::{Report, Verdict};

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let tests: Vec<_> = report
        .results
        .iter()
        .map(|result| {
            let name = match result.verdict {
                // TAP's directives: neither counts as a failure.
                Verdict::NotApplicable => format!(
                    "{} # SKIP {}",
                    escaped(&result.id),
                    result.reason.as_deref().unwrap_or_default()
                ),
                Verdict::KnownFail => format!("{} # TODO known to fail", escaped(&result.id)),
                _ => escaped(&result.id),
            };
            let passed = matches!(
                result.verdict,
                Verdict::Pass | Verdict::Warn | Verdict::NotApplicable
            );
            let words = [
                (
                    "level",
                    (result.verdict == Verdict::Warn).then(|| "SHOULD, a warning".to_owned()),
                ),
                ("expected", result.expected.clone()),
                ("actual", result.actual.clone()),
                (
                    "reason",
                    result
                        .reason
                        .clone()
                        .filter(|_| result.verdict == Verdict::Error),
                ),
                ("hint", result.hint.clone()),
                ("again", result.reproduce.clone()),
            ];
            let lines: Vec<String> = words
                .into_iter()
                .filter_map(|(label, text)| text.map(|t| format!("{label}: {}", clean(&t))))
                .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let mut test = TapTestBuilder::new();
            test.name(name).passed(passed);
            if !lines.is_empty() {
                test.diagnostics(&lines);
            }
            test.finalize()
        })
        .collect();
    let mut suite = TapSuiteBuilder::new();
    suite
        .name(format!("{} {}", report.suite.name, report.suite.version))
        .tests(tests);
    suite
        .finalize()
        .lines()
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
}

/// A `#` in a test's name would begin a directive.
fn escaped(id: &str) -> String {
    id.replace('#', " on ")
}
