//! `run`: a function on stdio, and the driver of spec/probe.md.

use super::*;

#[test]
fn the_hello_says_what_is_claimed() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let mut driver = Driver::run(&manifest, &["--cancel-grace", "250ms"]);
    let status = driver.hello();
    let details = &status["details"];
    assert_eq!(details["isolation"], "none", "{status}");
    assert!(details["means"].is_string(), "{status}");
    assert_eq!(details["encodings"], "json,protobuf,capnp");
    assert_eq!(details["cancel-grace-ms"], "250");
    assert!(details.get("drain-ms").is_none(), "{status}");
    assert_eq!(driver.finish(), 0);
}

#[test]
fn what_can_not_run_is_a_hello_with_the_reason() {
    let folder = folder();
    let refused = manifest(folder.path(), "refused.json", &json!({"fsi": "2.0"}));
    let failed = manifest(
        folder.path(),
        "failed.json",
        &json!({"env": {"INIT": "refuse"}}),
    );
    for (manifest, words) in [(refused, "manifest-major"), (failed, "no")] {
        let mut driver = Driver::run(&manifest, &[]);
        let status = driver.hello();
        assert_eq!(status["code"], "FAILED_PRECONDITION", "{status}");
        assert!(
            status["message"].as_str().unwrap().contains(words),
            "{status}"
        );
        assert_ne!(driver.finish(), 0);
    }
}

#[test]
fn calls_pass_through_in_both_directions_at_once() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({"concurrency": 4}));
    let mut driver = Driver::run(&manifest, &[]);
    driver.hello();
    let event = |n: u64| json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "hang", "data": {"n": n}});
    // The answer to the first event comes before the second one is written.
    driver.write(&json!({"call": 1, "context": {"invocationId": "i", "extra": {"REGION": "north"}}, "event": event(1)}));
    let first = driver.read().unwrap();
    assert_eq!(
        (&first["call"], &first["event"]["type"]),
        (&json!(1), &json!("hanging"))
    );
    assert_eq!(
        first["context"],
        json!({"invocationId": "i", "extra": {"REGION": "north"}})
    );
    // Another call is not held up.
    driver.call(2, "echo", json!({"n": 2}));
    assert_eq!(driver.answer(2), (vec![json!({"n": 2})], json!({})));
    driver.write(&json!({"call": 1, "cancel": {"reason": "enough"}}));
    assert_eq!(
        driver.read().unwrap(),
        json!({"call": 1, "cancel": {"reason": "enough"}})
    );
    let (_, end) = driver.answer(1);
    assert_eq!(end["code"], "CANCELLED");
    assert_eq!(driver.finish(), 0);
}

#[test]
fn a_call_names_its_tenant_and_gets_a_process_of_its_own() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({"concurrency": 4}));
    let mut driver = Driver::run(&manifest, &["--tenant", "home"]);
    driver.hello();
    let mut pids = Vec::new();
    for (call, tenant) in [
        (1, "home"),
        (2, "acme"),
        (3, "home"),
        (4, "zeta"),
        (5, "acme"),
    ] {
        let context = if call == 1 {
            json!({})
        } else {
            json!({"extra": {"TENANT": tenant}})
        };
        driver.call_for(call, "who", json!({}), context);
        let (data, _) = driver.answer(call);
        assert_eq!(data[0]["tenant"], tenant);
        pids.push(data[0]["pid"].clone());
    }
    assert_eq!((&pids[0], &pids[1]), (&pids[2], &pids[4]));
    assert!(pids[0] != pids[1] && pids[1] != pids[3] && pids[0] != pids[3]);
    assert_eq!(driver.finish(), 0);
}

#[test]
fn an_update_takes_over_and_one_that_fails_does_not() {
    let folder = folder();
    let path = manifest(folder.path(), "f.json", &json!({}));
    let better = manifest(folder.path(), "better.json", &json!({"env": {"X": "1"}}));
    let broken = manifest(
        folder.path(),
        "broken.json",
        &json!({"env": {"INIT": "refuse"}}),
    );
    let other = manifest(folder.path(), "other.json", &json!({"name": "g"}));
    let mut driver = Driver::run(&path, &[]);
    driver.hello();
    driver.call(1, "fsi.driver.update", json!({"manifest": better}));
    let (data, end) = driver.answer(1);
    assert_eq!((&data[0]["state"], &end), (&json!("ready"), &json!({})));
    let revision = data[0]["revision"].clone();
    for (call, manifest, state) in [(2, &broken, "failed"), (4, &better, "ready")] {
        driver.call(call, "fsi.driver.update", json!({"manifest": manifest}));
        let (data, _) = driver.answer(call);
        assert_eq!(data[0]["state"], state);
        driver.call(call + 1, "who", json!({}));
        let (who, _) = driver.answer(call + 1);
        assert_eq!(who[0]["revision"] == revision, state == "failed");
    }
    for (call, data) in [
        (6, json!({"manifest": other})),
        (7, json!({})),
        (8, json!({"manifest": 1})),
    ] {
        driver.call(call, "fsi.driver.update", data);
        assert_eq!(driver.answer(call).1["code"], "INVALID_ARGUMENT");
    }
    driver.call(9, "fsi.driver.sing", json!({}));
    assert_eq!(driver.answer(9).1["code"], "UNIMPLEMENTED");
    assert_eq!(driver.finish(), 0);
}

#[test]
fn what_was_removed_is_gone_and_not_found() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let mut driver = Driver::run(&manifest, &[]);
    driver.hello();
    driver.call(1, "who", json!({}));
    let pid = driver.answer(1).0[0]["pid"].as_i64().unwrap() as i32;
    driver.call(2, "fsi.driver.remove", json!({}));
    assert_eq!(driver.answer(2), (vec![json!({})], json!({})));
    assert!(!is_alive(pid));
    driver.call(3, "who", json!({}));
    assert_eq!(driver.answer(3).1["code"], "NOT_FOUND");
    // And it may come again.
    driver.call(4, "fsi.driver.update", json!({"manifest": manifest}));
    assert_eq!(driver.answer(4).0[0]["state"], "ready");
    driver.call(5, "echo", json!(1));
    assert_eq!(driver.answer(5).0, [json!(1)]);
    assert_eq!(driver.finish(), 0);
}

#[test]
fn at_eof_accepted_calls_are_served() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({"concurrency": 1}));
    let mut driver = Driver::run(&manifest, &["--max-instances", "1"]);
    driver.hello();
    for call in 1..=10 {
        driver.call(call, "echo", json!(call));
    }
    drop(driver.stdin.take());
    let mut answered: Vec<u64> = std::iter::from_fn(|| driver.read())
        .filter(|message| message["end"] == json!({}))
        .map(|message| message["call"].as_u64().unwrap())
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=10).collect::<Vec<_>>());
    assert_eq!(driver.child.wait().unwrap().code(), Some(0));
}

#[test]
fn sigterm_ends_everything_within_the_grace() {
    let folder = folder();
    let members = json!({"env": {"DRAIN": "never", "TERM": "ignore"}});
    let manifest = manifest(folder.path(), "f.json", &members);
    let mut driver = Driver::run(&manifest, &[]);
    driver.hello();
    let pid = driver.hang(1);
    let begun = Instant::now();
    signal(driver.child.id(), "TERM");
    assert_eq!(driver.answer(1).1["code"], "UNAVAILABLE");
    assert!(driver.child.wait().is_ok());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    gone(pid);
}

#[test]
fn who_stops_reading_gets_the_same_end() {
    let folder = folder();
    let members = json!({"env": {"DRAIN": "never", "TERM": "ignore"}});
    let manifest = manifest(folder.path(), "f.json", &members);
    let mut driver = Driver::run(&manifest, &[]);
    driver.hello();
    let pid = driver.hang(1);
    let begun = Instant::now();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    std::mem::swap(&mut driver.child, &mut child);
    // Nothing is left that could read: its stdout is closed, stdin is not.
    let stdin = driver.stdin.take();
    drop(driver);
    assert!(!child.wait().unwrap().success());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    drop(stdin);
    gone(pid);
}

#[test]
fn the_death_of_the_driver_leaves_nothing() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let mut driver = Driver::run(&manifest, &[]);
    driver.hello();
    let pid = driver.hang(1);
    signal(driver.child.id(), "KILL");
    gone(pid);
}

#[test]
fn without_a_host_it_is_a_filter() {
    let folder = folder();
    let manifest = manifest(folder.path(), "f.json", &json!({}));
    let mut command = runtime();
    command
        .arg("run")
        .arg(&manifest)
        .args(["--isolation", "none"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "echo", "data": 5});
    writeln!(child.stdin.take().unwrap(), "{event}").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.status.success());
}
