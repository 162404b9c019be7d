//! How long a mapping takes, in nanoseconds, and beside it serde_json parsing the same bytes into a `Value`.
//!
//! `cargo bench -p faas-adapters`. Exits with 1 if a mapping takes more than 1.5 times as long as parsing.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use faas_adapters::{Delivery, find};

/// A mapping may take this many times what parsing takes.
const MOST: f64 = 1.5;

fn main() -> ExitCode {
    // `cargo test --benches` builds and runs it: there is nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let read = |case: &str| {
        let path = format!("{folder}/{case}/input.json");
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let samples = [
        ("aws.s3, 1 record", "aws.s3", read("aws/s3/put")),
        ("aws.sqs, 10 records", "aws.sqs", ten(&read("aws/sqs/two"))),
        (
            "aws.apigateway-v1",
            "aws.apigateway-v1",
            read("aws/apigateway-v1/get"),
        ),
        (
            "aws.apigateway-v2",
            "aws.apigateway-v2",
            read("aws/apigateway-v2/post"),
        ),
    ];
    println!("| payload | bytes | mapping, ns | serde_json::Value, ns | times |");
    println!("|---|---|---|---|---|");
    let mut slow = false;
    for (name, source, payload) in samples {
        let adapter = find(source).expect("a source");
        let now = "2026-11-21T09:30:00Z".parse().expect("a timestamp");
        let delivery = Delivery::new(payload.clone(), now, "id");
        let mapping = fastest(|| {
            let outcome = adapter
                .events(black_box(&delivery))
                .expect("a fixture is mapped");
            black_box(outcome.events.len());
        });
        let parsing = fastest(|| {
            let value: serde_json::Value =
                serde_json::from_slice(black_box(&payload)).expect("a fixture is JSON");
            black_box(&value);
        });
        let times = mapping.as_secs_f64() / parsing.as_secs_f64();
        slow |= times > MOST;
        println!(
            "| {name} | {} | {} | {} | {times:.2} |",
            payload.len(),
            mapping.as_nanos(),
            parsing.as_nanos()
        );
    }
    ExitCode::from(u8::from(slow))
}

/// The first record ten times.
fn ten(payload: &[u8]) -> Vec<u8> {
    let mut batch: serde_json::Value = serde_json::from_slice(payload).expect("a fixture is JSON");
    let record = batch["Records"][0].clone();
    batch["Records"] = vec![record; 10].into();
    batch.to_string().into_bytes()
}

/// The mean of the fastest of many rounds: what else the machine does only makes rounds slower.
fn fastest(mut run: impl FnMut()) -> Duration {
    let mut once = || {
        const RUNS: u32 = 200;
        let start = Instant::now();
        for _ in 0..RUNS {
            run();
        }
        start.elapsed() / RUNS
    };
    (0..300).map(|_| once()).min().unwrap_or_default()
}
