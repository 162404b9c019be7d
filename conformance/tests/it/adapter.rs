//! `adapter` judges one that knows the fixtures by heart, right and wrong.

use serde_json::Value;

use crate::suite::Suite;

const ORACLE: &str = env!("CARGO_BIN_EXE_faas-oracle");

/// What the oracle does wrong, and a rule that each case that fails then tests, if there is one for all.
const FAULTS: [(&str, Option<&str>); 14] = [
    ("detours-numbers", Some("adapter-data-numbers")),
    ("loses-members", None),
    ("loses-subjects", None),
    ("loses-times", None),
    ("reverses-batches", Some("adapter-order")),
    ("takes-the-first", Some("adapter-one-event-each")),
    ("refuses-byte-order-marks", Some("adapter-bom")),
    ("accepts-anything", Some("adapter-undecodable")),
    ("refuses-without-a-word", Some("adapter-undecodable")),
    ("writes-before-it-fails", Some("adapter-undecodable")),
    ("maps-handshakes", Some("adapter-unknown-kind")),
    ("fails-open", Some("adapter-answer-fails-closed")),
    ("forgets-to-answer", None),
    ("crashes", None),
];

/// The cases that fail, how many there are, and the suite's exit status.
fn judged(fault: &str, options: &[&str]) -> (Vec<Value>, usize, i32) {
    let fixed = ["adapter", "--seed", "1", "--format", "json"];
    let command = ["--", ORACLE, "{source}", "--fault", fault];
    let output = Suite::new().run(&[&fixed[..], options, &command].concat());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let results = json["results"].as_array().expect("results").clone();
    let all = results.len();
    let failing = results.into_iter().filter(|r| r["verdict"] == "fail");
    (
        failing.collect(),
        all,
        output.status.code().expect("an exit status"),
    )
}

#[test]
fn who_knows_the_fixtures_passes() {
    let (failing, all, status) = judged("none", &[]);
    let seen: Vec<String> = failing
        .iter()
        .map(|r| format!("{}: {}", r["id"], r["actual"]))
        .collect();
    assert!(seen.is_empty(), "{}", seen.join("\n"));
    assert_eq!(status, 0);
    assert!(all > 300, "{all}");
}

#[test]
fn every_fault_is_seen_for_its_rule() {
    for (fault, rule) in FAULTS {
        let (failing, ..) = judged(
            fault,
            &[
                "--source",
                "aws.s3",
                "--source",
                "aws.sqs",
                "--source",
                "azure.eventgrid",
            ],
        );
        assert!(!failing.is_empty(), "{fault} is not seen");
        for result in failing {
            let rules = result["rules"].as_array().expect("rules");
            let tested = rule.is_none_or(|rule| rules.iter().any(|tested| tested == rule));
            assert!(
                tested,
                "{fault} is seen by {}, which tests {rules:?}",
                result["id"]
            );
        }
    }
}

#[test]
fn a_crash_is_no_refusal() {
    let (failing, all, status) = judged("crashes", &["--source", "aws.s3"]);
    assert_eq!((failing.len(), status), (all, 1));
    for result in failing {
        let actual = result["actual"].as_str().expect("text");
        assert!(actual.contains("SIGABRT"), "{result}");
    }
}
