//! Judging runtimes, with drivers of a few words: the reference runtime is judged where it is built.

use std::process::Output;

use faas_conformance::report::model::{CaseResult, Report, Verdict};

use crate::suite::Suite;

/// A driver that is its own runtime: the recorder itself, in the environment of the driver. It breaks
/// about every rule for runtimes but passes calls on.
const BARE: &str = r#"cd "$(dirname "$0")" && FAAS_FUNCTION=recorder exec ./faas-recorder"#;

fn judge(options: &[&str], driver: &str) -> Output {
    let fixed = ["runtime", "--seed", "1", "--timeout-scale", "0.3"];
    let args = [&fixed, options, &["--", "sh", "-c", driver]].concat();
    Suite::new().run(&args)
}

fn report(options: &[&str], driver: &str) -> Report {
    let output = judge(&[options, &["--format", "json"]].concat(), driver);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!(
            "no report: {e}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

#[track_caller]
fn result<'a>(report: &'a Report, id: &str) -> &'a CaseResult {
    let mut results = report.results.iter();
    results
        .find(|r| r.id == id)
        .expect("every case is reported")
}

#[test]
fn what_comes_back_and_what_was_recorded_are_judged() {
    let report = report(
        &[
            "--filter",
            "probe/driver-function",
            "--filter",
            "context/host-clean",
        ],
        BARE,
    );
    assert_eq!(report.subject.kind, "runtime");
    assert!(report.subject.claims.contains_key("system"));
    let passed = result(&report, "probe/driver-function#stream/json");
    assert_eq!(passed.verdict, Verdict::Pass, "{passed:?}");
    // It inherits the driver's environment.
    let failed = result(&report, "context/host-clean#stream/json");
    assert_eq!(failed.verdict, Verdict::Fail);
    let actual = failed.actual.as_deref().expect("a failure says what came");
    assert!(actual.contains("FSI_SUITE_CANARY"), "{actual}");
    let line = failed
        .reproduce
        .as_deref()
        .expect("and how to see it again");
    assert!(
        line.starts_with("faas-conformance runtime --filter"),
        "{line}"
    );
}

#[test]
fn what_is_not_claimed_is_not_judged_and_said_so() {
    let report = report(&["--filter", "probe/*", "--skip", "probe/driver-d*"], BARE);
    let other = result(&report, "probe/driver-tenant#stream/json");
    assert_eq!(other.verdict, Verdict::NotApplicable);
    let reason = other.reason.as_deref().expect("with the reason");
    assert!(reason.contains("`tenants`"), "{reason}");
    assert!(report.profiles.iter().all(|profile| profile.name == "core"));
}

#[test]
fn claims_are_read_from_the_hello_and_the_command_line() {
    let stating = r#"read -r hello
        echo '{"call":0,"hello":{"fsi":"1.0","status":{"details":{"isolation":"I2","profiles":"retry,nonsense"}}}}'
        cat >/dev/null"#;
    let options = ["--claim", "http", "--filter", "probe/driver-claims"];
    let report = report(&options, stating);
    assert_eq!(report.subject.claims["isolation"], "I2");
    let passed = result(&report, "probe/driver-claims#stream/json");
    assert_eq!(passed.verdict, Verdict::Pass, "{passed:?}");
    // What nobody claims can't be asked for; what is claimed, in the hello or beside it, can.
    let refused = |profile: &str| {
        let options = [
            "--claim",
            "http",
            "--profile",
            profile,
            "--filter",
            "probe/driver-claims",
        ];
        judge(&options, stating).status.code() == Some(64)
    };
    assert!(refused("tenants"));
    for claimed in ["core", "http", "retry", "isolation/I1", "isolation/I2"] {
        assert!(!refused(claimed), "{claimed}");
    }
}

#[test]
fn a_driver_that_is_none_is_told_so_once() {
    let output = judge(&[], "echo 'no such command' >&2; exit 3");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("FAIL").count(), 1, "{text}");
    for part in [
        "probe/driver-function",
        "exited with status 3",
        "no such command",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_refusal_is_shown_with_its_status() {
    let refusing = r#"read -r hello
        echo '{"call":0,"hello":{"fsi":"1.0","status":{"code":"FAILED_PRECONDITION","message":"no cgroups"}}}'"#;
    let output = judge(&[], refusing);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("its hello said FAILED_PRECONDITION: no cgroups"),
        "{text}"
    );
}

#[test]
fn nothing_of_a_run_stays() {
    let (suite, own) = (Suite::new(), Suite::new());
    let temporary = own.folder.path();
    std::fs::remove_file(temporary.join("s.json")).expect("it was made");
    let args = [
        "runtime",
        "--filter",
        "probe/driver-function",
        "--",
        "sh",
        "-c",
        BARE,
    ];
    let output = suite.command(&args).env("TMPDIR", temporary).output();
    assert_eq!(output.expect("the suite starts").status.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(temporary).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
}
