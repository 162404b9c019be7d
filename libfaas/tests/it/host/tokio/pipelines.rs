//! Pipelines: stages joined by pipes that never pass through the host.

use super::*;

/// A stage that copies lines, and writes its number to where the test looks.
const COPY: &str = "[sh, -c, 'echo $$ >> pids; exec cat']";

async fn pipeline(stages: &str, folder: PathBuf) -> Host {
    let yaml = format!("{{fsi: \"1.0\", name: f, modes: [stream], pipeline: [{stages}]}}");
    let host = Host::new(once(options())).unwrap();
    let manifest = Manifest::from_yaml(&yaml).unwrap();
    let deployed = within(host.deploy("t", manifest, folder)).await.unwrap();
    assert_eq!(deployed.status, Status::ok());
    host
}

fn with_function() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("function.py"), dir.path().join("function.py")).unwrap();
    dir
}

/// The stages that copy, once they are all there.
fn pids(dir: &tempfile::TempDir) -> Vec<i32> {
    let text = std::fs::read_to_string(dir.path().join("pids")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_pipeline_is_a_function() {
    let dir = with_function();
    let stages = format!("{COPY}, [python3, function.py], {COPY}");
    let host = pipeline(&stages, dir.path().to_owned()).await;
    assert_eq!(data(unary(&host, "echo", "5").await), 5);
    within(host.shutdown()).await;
    assert_eq!(pids(&dir).len(), 2);
    assert!(!pids(&dir).into_iter().any(is_alive));
}

#[tokio::test]
async fn the_death_of_any_stage_ends_all_calls_at_once() {
    for victim in 0..3 {
        let dir = with_function();
        let stages = format!("{COPY}, [python3, function.py], {COPY}");
        let host = pipeline(&stages, dir.path().to_owned()).await;
        let (mut call, function) = hanging(&host, "{}").await;
        let copies = pids(&dir);
        let [first, last] = copies[..] else {
            panic!("{copies:?}")
        };
        let begun = std::time::Instant::now();
        let victim = [first, function, last][victim];
        let pid = rustix::process::Pid::from_raw(victim).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let end = within(call.next()).await.unwrap().end.unwrap();
        assert_eq!(end.code, Code::Unavailable);
        // And not at its deadline, a minute later.
        assert!(begun.elapsed() < Duration::from_secs(15));
        for pid in [first, function, last] {
            gone(pid).await;
        }
        assert_eq!(data(unary(&host, "echo", "5").await), 5);
    }
}

#[tokio::test]
async fn the_last_hello_speaks_for_all() {
    let dir = with_function();
    let yaml = "{fsi: \"1.0\", name: f, modes: [stream], pipeline: [[python3, function.py], [cat]], env: {INIT: refuse}}";
    let host = Host::new(options()).unwrap();
    let manifest = Manifest::from_yaml(yaml).unwrap();
    let deployed = within(host.deploy("t", manifest, dir.path().to_owned()))
        .await
        .unwrap();
    assert_eq!(deployed.status.code, Code::FailedPrecondition);
    assert_eq!(deployed.status.message, "no");
}

#[tokio::test]
async fn a_late_cancel_reaches_the_busy_stage_behind() {
    let dir = with_function();
    let stages = format!("{COPY}, {COPY}, [python3, function.py]");
    let host = pipeline(&stages, dir.path().to_owned()).await;
    let (mut call, _) = hanging(&host, "{}").await;
    call.cancel("late");
    let end = within(call.next()).await.unwrap().end.unwrap();
    assert_eq!(
        (end.code, end.message.as_str()),
        (Code::Cancelled, "cancelled")
    );
}

#[tokio::test]
async fn a_stage_that_goes_before_the_last_hello_is_the_end_of_all() {
    // The last one waits for nobody and says nothing.
    let yaml = "{fsi: \"1.0\", name: f, modes: [stream], pipeline: [[sh, -c, 'exit 78'], [sleep, '3600']]}";
    let host = Host::new(options()).unwrap();
    let manifest = Manifest::from_yaml(yaml).unwrap();
    let deployed = within(host.deploy("t", manifest, folder())).await.unwrap();
    assert_eq!(deployed.status.code, Code::FailedPrecondition);
}

#[tokio::test]
async fn a_pipeline_that_lacks_a_stage_when_it_is_ready_is_replaced() {
    // The first takes the host's hello, so that writing it does not fail.
    let late = r#"sleep 0.3; echo '{"call":0,"hello":{"fsi":"1.0"}}'; exec sleep 3600"#;
    let stages = serde_json::json!([["head", "-n1"], ["sh", "-c", late]]);
    let yaml = format!("{{fsi: \"1.0\", name: f, modes: [stream], pipeline: {stages}}}");
    let mut options = options();
    options.settings.times.drain = Duration::from_secs(3600);
    let host = Host::new(options).unwrap();
    let manifest = Manifest::from_yaml(&yaml).unwrap();
    let deployed = within(host.deploy("t", manifest, folder())).await.unwrap();
    assert_eq!(deployed.status, Status::ok());
    within(async {
        while host.look("t", "f").unwrap().instances > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
