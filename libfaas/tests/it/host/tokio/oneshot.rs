//! Binary and structured mode: a process for each event.

use libfaas::{Data, host::State};

use super::*;

async fn shell(mode: &str, script: &str, members: &str) -> Host {
    let yaml = format!(
        "{{fsi: \"1.0\", name: f, command: [sh, -c, '{script}'], modes: [{mode}], {members}}}"
    );
    let host = Host::new(options()).unwrap();
    let manifest = Manifest::from_yaml(&yaml).unwrap();
    let deployed = host.deploy("t", manifest, folder()).await.unwrap();
    assert_eq!(deployed.status, Status::ok());
    host
}

fn text(data: &str) -> Event {
    let event = Event::builder("1", "/test", "text").datacontenttype("text/plain");
    event.data(data).build().unwrap()
}

async fn ask(host: &Host, data: &str) -> Result<Vec<Event>, Status> {
    within(call(host).unary(text(data))).await
}

fn texts(result: Result<Vec<Event>, Status>) -> Vec<String> {
    let text = |event: &Event| {
        String::from_utf8_lossy(event.data().map_or(&[][..], Data::as_bytes)).into_owned()
    };
    result.unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_filter_is_a_function() {
    let host = shell("binary", "tr a-z A-Z", "").await;
    assert_eq!(texts(ask(&host, "hello").await), ["HELLO"]);
    let state = host.look("t", "f").unwrap();
    assert_eq!(state.state, State::Ready);
    within(host.shutdown()).await;
}

#[tokio::test]
async fn structured_mode_gives_every_document() {
    let host = shell(
        "structured",
        "tee /dev/stderr | while read -r e; do echo \"$e\"; echo \"$e\"; done",
        "",
    )
    .await;
    assert_eq!(texts(ask(&host, "x").await), ["x", "x"]);
}

#[tokio::test]
async fn an_exit_status_speaks_and_output_is_discarded() {
    let host = shell("binary", "cat; echo the door is locked >&2; exit 77", "").await;
    let failed = ask(&host, "x").await.unwrap_err();
    assert_eq!(
        (failed.code, failed.message.as_str()),
        (Code::PermissionDenied, "the door is locked")
    );
}

#[tokio::test]
async fn one_that_reads_nothing_has_not_failed() {
    let host = shell("binary", "echo done", "").await;
    assert_eq!(texts(ask(&host, &"x".repeat(1 << 20)).await), ["done\n"]);
}

#[tokio::test]
async fn much_goes_in_and_out_at_once() {
    let host = shell("binary", "cat", "").await;
    let much = "0123456789".repeat(300_000);
    assert_eq!(texts(ask(&host, &much).await), [much]);
}

#[tokio::test]
async fn a_grandchild_that_keeps_stdout_holds_nobody() {
    let script = "setsid sleep 3600 & echo $!";
    let host = shell("binary", script, "").await;
    let pid = texts(ask(&host, "").await);
    gone(pid[0].trim().parse().unwrap()).await;
}

#[tokio::test]
async fn deadline_output_and_cancel_end_the_process() {
    let host = shell("binary", "sleep 3600", "limits: {timeout: 300ms}").await;
    assert_eq!(code(&ask(&host, "").await), Code::DeadlineExceeded);
    let host = shell("binary", "yes", "limits: {output: 100k}").await;
    assert_eq!(code(&ask(&host, "").await), Code::ResourceExhausted);
    let host = shell("binary", "sleep 3600", "").await;
    let mut call = call(&host);
    call.send(Part::last(text(""))).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    call.cancel("enough");
    let end = within(call.next()).await.unwrap().end.unwrap();
    assert_eq!(
        (end.code, end.message.as_str()),
        (Code::Cancelled, "enough")
    );
}

#[tokio::test]
async fn several_events_have_a_process_each_and_the_first_failure_ends_the_call() {
    let host = shell(
        "binary",
        "read -r x; test \"$x\" != bad || exit 65; echo \"$x\"",
        "",
    )
    .await;
    let mut parts = Vec::new();
    let mut call = call(&host);
    for data in ["one", "two", "bad", "four"] {
        call.send(Part::event(text(data))).await;
    }
    call.send(Part::end(Status::ok())).await;
    while let Some(part) = within(call.next()).await {
        parts.push(part);
    }
    let data = |part: &Part| part.event.as_ref().and_then(Event::data).cloned();
    let given: Vec<Data> = parts.iter().filter_map(data).collect();
    assert_eq!(given.len(), 2, "{parts:?}");
    assert_eq!(
        parts.last().unwrap().end.as_ref().unwrap().code,
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_call_of_pieces_and_one_of_nothing() {
    let host = shell("binary", "cat", "").await;
    let first = Event::builder("1", "/test", "t")
        .data("ab")
        .build()
        .unwrap();
    let mut pieces = call(&host);
    pieces
        .send(Part {
            event: Some(first),
            more: true,
            ..Part::default()
        })
        .await;
    let last = Part {
        chunk: Some("cd".into()),
        end: Some(Status::ok()),
        ..Part::default()
    };
    pieces.send(last).await;
    assert_eq!(texts(within(pieces.collect()).await), ["abcd"]);
    let mut nothing = call(&host);
    nothing.send(Part::end(Status::ok())).await;
    assert_eq!(within(nothing.collect()).await, Ok(vec![]));
}

#[tokio::test]
async fn what_may_be_retried_is() {
    let script = "test $FAAS_ATTEMPT = 2 || exit 75; echo $FAAS_ATTEMPT";
    let host = shell("binary", script, "").await;
    assert_eq!(texts(ask(&host, "").await), ["2\n"]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_seen_at_once() {
    let host = Host::new(options()).unwrap();
    let yaml = "{fsi: \"1.0\", name: f, command: [./missing], modes: [binary]}";
    let deployed = host
        .deploy("t", Manifest::from_yaml(yaml).unwrap(), folder())
        .await
        .unwrap();
    assert_eq!(deployed.status.code, Code::FailedPrecondition);
    assert!(
        deployed.status.message.contains("./missing"),
        "{}",
        deployed.status
    );
}

#[tokio::test]
async fn pipelines_have_pipefail() {
    for (second, expected) in [
        ("cat", Code::PermissionDenied),
        ("cat; exit 65", Code::PermissionDenied),
        ("head -c 1", Code::PermissionDenied),
    ] {
        let yaml = format!(
            "{{fsi: \"1.0\", name: f, modes: [binary], pipeline: [[sh, -c, 'cat; exit 77'], [sh, -c, '{second}']]}}"
        );
        let host = Host::new(options()).unwrap();
        host.deploy("t", Manifest::from_yaml(&yaml).unwrap(), folder())
            .await
            .unwrap();
        assert_eq!(code(&ask(&host, "x").await), expected, "{second}");
    }
    let yaml = "{fsi: \"1.0\", name: f, modes: [binary], pipeline: [[yes], [head, -c, '4']]}";
    let host = Host::new(options()).unwrap();
    host.deploy("t", Manifest::from_yaml(yaml).unwrap(), folder())
        .await
        .unwrap();
    assert_eq!(texts(ask(&host, "").await), ["y\ny\n"]);
}

#[tokio::test]
async fn removal_waits_for_what_runs() {
    let host = shell("binary", "sleep 0.3; echo done", "").await;
    let mut call = call(&host);
    call.send(Part::last(text(""))).await;
    let (removed, result) = tokio::join!(within(host.remove("t", "f")), within(call.collect()));
    assert_eq!(removed, Ok(()));
    assert_eq!(texts(result), ["done\n"]);
}
