//! `pipe`, a manifest with `pipeline:`, and a shell's `|`: the same.

use super::*;

/// A stage that copies messages, and says who it is where the test looks.
const COPY: &str = "sh -c 'echo $$ >> pids; exec cat'";

/// The stages of `pipe COPY f COPY`, by hand and as a manifest.
fn both(folder: &Path) -> [Driver; 2] {
    let function = manifest(folder, "f.json", &json!({"env": {}}));
    let mut pipe = runtime();
    pipe.current_dir(folder);
    pipe.args(["pipe", "--isolation", "none", COPY])
        .arg(&function)
        .arg(COPY);
    let copy = json!(["sh", "-c", "echo $$ >> pids; exec cat"]);
    let stages = json!({"pipeline": [copy, ["python3", "function.py"], copy]});
    let declared = manifest(folder, "pipeline.json", &stages);
    [Driver::start(pipe), Driver::run(&declared, &[])]
}

/// A conversation, and what comes of it but for the hello.
fn converse(mut driver: Driver) -> Vec<Value> {
    driver.call(1, "echo", json!({"n": 1.50}));
    driver.call(
        2,
        "fail",
        json!({"code": "NOT_FOUND", "message": "no", "details": {"a": "b"}}),
    );
    driver.call(3, "flood", json!({"events": 3, "bytes": 10}));
    drop(driver.stdin.take());
    let mut messages: Vec<Value> = std::iter::from_fn(|| driver.read()).skip(1).collect();
    for message in &mut messages {
        // A host gives calls a context; the shell does not.
        message.as_object_mut().unwrap().remove("context");
    }
    assert!(driver.child.wait().unwrap().success());
    // No order is promised between calls.
    messages.sort_by_key(|message| message["call"].as_u64());
    // A function may put its last event and the end into one message or into two.
    let split = |mut message: Value| match message.as_object_mut().unwrap().remove("end") {
        Some(end) if message.get("event").is_some() => {
            let end = json!({"call": message["call"], "end": end});
            vec![message, end]
        }
        Some(end) => vec![json!({"call": message["call"], "end": end})],
        None => vec![message],
    };
    messages.into_iter().flat_map(split).collect()
}

#[test]
fn three_ways_to_say_it_give_the_same() {
    let folder = folder();
    let mut shell = Command::new("sh");
    shell
        .current_dir(folder.path())
        .args(["-c", "cat | python3 function.py | cat"]);
    let expected = converse(Driver::start(shell));
    assert_eq!(expected.len(), 7, "{expected:#?}");
    for driver in both(folder.path()) {
        assert_eq!(converse(driver), expected);
    }
}

#[test]
fn the_death_of_any_stage_ends_every_open_call_at_once() {
    for way in 0..2 {
        for victim in 0..3 {
            let folder = folder();
            let mut driver = both(folder.path()).into_iter().nth(way).unwrap();
            driver.hello();
            // The other one writes there too, until it is gone.
            let function = driver.hang(1);
            let parent = driver.child.id();
            let copies = std::fs::read_to_string(folder.path().join("pids")).unwrap();
            let copies: Vec<i32> = copies
                .lines()
                .map(|line| line.parse().unwrap())
                .filter(|&pid| is_child(pid, parent))
                .collect();
            let [first, last] = copies[..] else {
                panic!("{copies:?}")
            };
            let stages = [first, function, last];
            let begun = Instant::now();
            signal(stages[victim] as u32, "KILL");
            let (_, end) = driver.answer(1);
            assert_eq!(end["code"], "UNAVAILABLE");
            assert!(begun.elapsed() < Duration::from_secs(10));
            stages.into_iter().for_each(gone);
        }
    }
}

/// Whether a process is below another one.
fn is_child(pid: i32, ancestor: u32) -> bool {
    let mut pid = pid.to_string();
    while pid != "0" && !pid.is_empty() {
        if pid == ancestor.to_string() {
            return true;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        pid = parent.unwrap_or_default().trim().to_owned();
    }
    false
}

#[test]
fn a_late_cancel_reaches_the_last_stage() {
    let folder = folder();
    // The first two have long passed on the end of the input.
    let busy = "python3 function.py";
    let mut pipe = runtime();
    pipe.current_dir(folder.path())
        .args(["pipe", "--isolation", "none", COPY, COPY, busy]);
    let stages = json!({"pipeline": [["cat"], ["cat"], ["python3", "function.py"]]});
    let declared = manifest(folder.path(), "pipeline.json", &stages);
    for mut driver in [Driver::start(pipe), Driver::run(&declared, &[])] {
        driver.hello();
        driver.hang(1);
        driver.write(&json!({"call": 1, "cancel": {"reason": "late"}}));
        assert_eq!(driver.answer(1).1["code"], "CANCELLED");
        // The process goes on: the function has heard it and answered.
        driver.call(2, "echo", json!(2));
        assert_eq!(driver.answer(2).0, [json!(2)]);
        assert_eq!(driver.finish(), 0);
    }
}

#[test]
fn a_stage_that_can_not_begin_is_seen_in_the_hello() {
    let folder = folder();
    let failing = manifest(
        folder.path(),
        "failing.json",
        &json!({"env": {"INIT": "refuse"}}),
    );
    let mut pipe = runtime();
    pipe.current_dir(folder.path());
    pipe.args(["pipe", "--isolation", "none"])
        .arg(&failing)
        .args([COPY, COPY]);
    let stages = json!({"pipeline": [["python3", "function.py"], ["cat"], ["cat"]], "env": {"INIT": "refuse"}});
    let declared = manifest(folder.path(), "pipeline.json", &stages);
    for mut driver in [Driver::start(pipe), Driver::run(&declared, &[])] {
        let status = driver.hello();
        assert_eq!(
            (&status["code"], &status["message"]),
            (&json!("FAILED_PRECONDITION"), &json!("no"))
        );
        assert_ne!(driver.finish(), 0);
    }
}

#[test]
fn stages_in_several_folders_run_where_they_are() {
    let (one, two) = (folder(), folder());
    std::fs::write(two.path().join("name"), "two").unwrap();
    let first = manifest(one.path(), "f.json", &json!({}));
    let copy = json!({"command": ["sh", "-c", "test \"$(cat name)\" = two && exec cat"]});
    let second = manifest(two.path(), "f.json", &copy);
    let mut pipe = runtime();
    pipe.args(["pipe", "--isolation", "none"])
        .arg(&first)
        .arg(&second);
    let mut driver = Driver::start(pipe);
    assert!(driver.hello().get("code").is_none());
    driver.call(1, "echo", json!(1));
    assert_eq!(driver.answer(1).0, [json!(1)]);
    assert_eq!(driver.finish(), 0);
    // What a pipeline can't have two of is refused.
    let third = manifest(two.path(), "g.json", &json!({"network": "outbound-tcp"}));
    let mut pipe = runtime();
    pipe.args(["pipe", "--isolation", "none"])
        .arg(&first)
        .arg(&third);
    let status = Driver::start(pipe).hello();
    assert!(
        status["message"].as_str().unwrap().contains("network"),
        "{status}"
    );
}

#[test]
fn a_stage_may_be_in_a_folder_of_any_name() {
    let folder = folder();
    for name in ["-P", "-"] {
        let inner = folder.path().join(name);
        std::fs::create_dir(&inner).unwrap();
        std::fs::copy(FUNCTION, inner.join("function.py")).unwrap();
        manifest(&inner, "f.json", &json!({}));
        let mut pipe = runtime();
        pipe.current_dir(folder.path())
            .args(["pipe", "--isolation", "none", "cat"])
            .arg(format!("./{name}/f.json"));
        let mut driver = Driver::start(pipe);
        let status = driver.hello();
        assert!(status.get("code").is_none(), "{name}: {status}");
        driver.call(1, "echo", json!(name));
        assert_eq!(driver.answer(1).0, [json!(name)]);
        assert_eq!(driver.finish(), 0);
    }
}
