//! `codec` judges libfaas's own, right and wrong.

use serde_json::Value;

use crate::suite::Suite;

const CODEC: &str = env!("CARGO_BIN_EXE_faas-codec");

/// The vectors that fail, and the suite's exit status.
fn failing(command: &[&str], options: &[&str]) -> (Vec<Value>, i32) {
    let fixed = [
        "codec",
        "--seed",
        "1",
        "--timeout-scale",
        "0.3",
        "--format",
        "json",
    ];
    let output = Suite::new().run(&[&fixed[..], options, &["--"], command].concat());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let results = json["results"].as_array().expect("results").clone();
    (
        results
            .into_iter()
            .filter(|r| r["verdict"] == "fail")
            .collect(),
        output.status.code().expect("an exit status"),
    )
}

#[test]
fn libfaas_agrees_with_every_vector() {
    let (failing, status) = failing(&[CODEC], &[]);
    let seen: Vec<String> = failing
        .iter()
        .map(|r| format!("{}: {}", r["id"], r["actual"]))
        .collect();
    assert!(seen.is_empty(), "{}", seen.join("\n"));
    assert_eq!(status, 0);
}

#[test]
fn what_accepts_broken_bytes_fails_for_that_rule() {
    for rule in [
        "event-required-attribute",
        "json-depth",
        "protobuf-length",
        "capnp-bounds",
    ] {
        let fault = format!("accepts-{rule}");
        let (failing, status) = failing(&[CODEC, "--fault", &fault], &[]);
        assert_eq!(status, 1);
        assert!(!failing.is_empty(), "no vector breaks {rule}");
        for result in failing {
            assert_eq!(result["rules"][0], rule, "{}", result["id"]);
        }
    }
}

#[test]
fn a_crash_is_no_refusal_and_costs_one_vector_each() {
    let (failing, status) = failing(&[CODEC, "--fault", "crashes-event-specversion"], &[]);
    assert_eq!(status, 1);
    assert!(!failing.is_empty());
    for result in failing {
        assert_eq!(result["rules"][0], "event-specversion", "{}", result["id"]);
        assert!(
            result["actual"].as_str().expect("text").contains("SIGABRT"),
            "{result}"
        );
    }
}

#[test]
fn what_is_lost_in_decoding_or_encoding_is_missed() {
    for fault in ["loses-attributes", "loses-data"] {
        let (failing, status) = failing(&[CODEC, "--fault", fault], &["--encoding", "protobuf"]);
        assert_eq!(status, 1);
        assert!(
            failing
                .iter()
                .all(|r| r["rules"][0] == "codec-decode-valid"),
            "{fault}"
        );
        assert!(failing.len() > 5, "{fault}: {}", failing.len());
    }
}

#[test]
fn whoever_exits_after_an_answer_does_not_go_on() {
    // It may have gone before the next request, or be about to.
    let script = format!("read -r line; printf '%s\\n' \"$line\" | {CODEC}");
    let judge = || failing(&["sh", "-c", &script], &["--encoding", "json"]);
    let (failing, status) = judge();
    assert_eq!(status, 1);
    assert!(!failing.is_empty());
    let ids = |failing: &[Value]| -> Vec<String> {
        failing.iter().map(|r| r["id"].to_string()).collect()
    };
    assert_eq!(ids(&failing), ids(&judge().0));
}

#[test]
fn what_never_answers_is_given_up() {
    let (failing, status) = failing(&["sh", "-c", "exec sleep 4714"], &[]);
    assert_eq!((failing.len(), status), (3, 1));
}
