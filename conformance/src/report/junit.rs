//! The report as JUnit's XML: a suite per profile of mode and encoding.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::model::{CaseResult, Report, Verdict};

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for result in &report.results {
        let name = result.profile.as_deref().unwrap_or("all");
        suites
            .entry(name)
            .or_insert_with(|| TestSuite::new(name))
            .add_test_case(test(result));
    }
    let mut all =
        quick_junit::Report::new(format!("{} {}", report.suite.name, report.suite.version));
    all.set_time(Duration::from_millis(report.duration_ms))
        .add_test_suites(suites.into_values());
    all.serialize(out).map_err(io::Error::other)
}

fn test(result: &CaseResult) -> TestCase {
    let mut status = match result.verdict {
        Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
        Verdict::NotApplicable | Verdict::KnownFail => TestCaseStatus::skipped(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let parts = [
        ("expected", &result.expected),
        ("actual", &result.actual),
        ("hint", &result.hint),
        ("again", &result.reproduce),
    ];
    let description: Vec<String> = parts
        .into_iter()
        .filter_map(|(label, text)| text.as_ref().map(|t| format!("{label}: {t}")))
        .collect();
    match result.verdict {
        Verdict::Pass => {}
        Verdict::NotApplicable | Verdict::KnownFail => {
            status.set_message(result.reason.as_deref().unwrap_or_default());
        }
        Verdict::Warn | Verdict::Fail | Verdict::Error => {
            let message = result.actual.as_ref().or(result.reason.as_ref());
            status
                .set_message(message.map(String::as_str).unwrap_or_default())
                .set_type(result.level.as_str());
            status.set_description(description.join("\n"));
        }
    }
    let mut case = TestCase::new(result.case(), status);
    case.set_classname(result.rules.join(" "))
        .set_time(Duration::from_millis(result.duration_ms));
    if result.verdict == Verdict::Warn {
        // JUnit has no warnings; a passing test with output is as near as it comes.
        case.set_system_out(format!("warning\n{}", description.join("\n")));
    }
    if let Some(stderr) = &result.stderr {
        case.set_system_err(stderr.as_str());
    }
    case
}
