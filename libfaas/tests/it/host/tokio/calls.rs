//! Calls, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_unary_call_gives_back_what_the_function_says() {
    let host = host(options(), "").await;
    assert_eq!(data(unary(&host, "echo", "{\"n\":1}").await)["n"], 1);
    within(host.shutdown()).await;
    assert!(host.functions().is_empty());
}

#[tokio::test]
async fn every_death_ends_its_calls_with_the_right_status() {
    let host = host(once(options()), "").await;
    for (ty, json, expected) in [
        ("exit", "{\"status\":0}", Code::Unavailable),
        ("exit", "{\"status\":3}", Code::Unavailable),
        ("die", "{}", Code::Unavailable),
        ("garbage", "{}", Code::Internal),
        ("close", "{}", Code::Unavailable),
        ("fail", "{\"code\":\"NOT_FOUND\"}", Code::NotFound),
    ] {
        let result = unary(&host, ty, json).await;
        assert_eq!(code(&result), expected, "{ty}: {result:?}");
        // And the next call is served.
        assert_eq!(data(unary(&host, "echo", "7").await), 7);
    }
    let said = unary(&host, "exit", "{\"status\":1,\"say\":\"out of paper\"}").await;
    assert_eq!(said.unwrap_err().message, "out of paper");
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_its_instance_goes_on() {
    let host = host(alone(options()), "").await;
    let (call, pid) = hanging(&host, "{}").await;
    drop(call);
    assert_eq!(data(unary(&host, "who", "{}").await)["pid"], pid);
}

#[tokio::test]
async fn a_cancelled_call_ends_as_the_function_says() {
    let host = host(options(), "").await;
    let (mut call, _) = hanging(&host, "{}").await;
    call.cancel("enough");
    let part = within(call.next()).await.unwrap();
    assert_eq!(part.end.unwrap().message, "cancelled");
    assert_eq!(call.next().await, None);
}

#[tokio::test]
async fn who_does_not_heed_a_cancel_is_killed_once_its_other_calls_are_over() {
    let host = host(impatient(alone(options())), "concurrency: 2").await;
    let (mut stubborn, pid) = hanging(&host, "{\"stubborn\":true}").await;
    let (other, other_pid) = hanging(&host, "{}").await;
    assert_eq!(pid, other_pid);
    stubborn.cancel("enough");
    let end = within(stubborn.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::Cancelled);
    // It takes no further calls, but lives on for the one that it has.
    assert_ne!(data(unary(&host, "who", "{}").await)["pid"], pid);
    assert!(is_alive(pid));
    drop(other);
    gone(pid).await;
}

#[tokio::test]
async fn a_deadline_ends_a_call_and_its_instance() {
    let host = host(impatient(options()), "limits: {timeout: 1s}").await;
    let begun = Instant::now();
    let (mut call, pid) = hanging(&host, "{\"stubborn\":true}").await;
    let end = within(call.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::DeadlineExceeded);
    assert!(
        begun.elapsed() >= Duration::from_millis(1200),
        "deadline and grace"
    );
    gone(pid).await;
    // Another attempt has the limit to itself, but not before the first one is dead.
    let state = host.look("t", "f").unwrap();
    assert_eq!(state.counters.retries, 0, "an event had been passed on");
    let deaf = unary(&host, "deaf", "{}").await;
    assert_eq!(code(&deaf), Code::DeadlineExceeded);
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 2);

    let past = Context {
        deadline_ms: Some(1),
        ..Context::default()
    };
    let refused = host.call("t", "f", past).unwrap_err();
    assert_eq!(refused.code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_call_is_tried_again_where_the_status_allows_it() {
    let host = host(options(), "").await;
    let third = unary(&host, "flaky", "{\"until\":3}").await;
    assert_eq!(data(third), 3);
    let fourth = unary(&host, "flaky", "{\"until\":4}").await;
    assert_eq!(code(&fourth), Code::Unavailable);
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 4);
    // Not where the code forbids it, nor where an event has been passed on.
    for (ty, json) in [("fail", "{\"code\":\"INTERNAL\"}"), ("flaky-late", "{}")] {
        assert!(unary(&host, ty, json).await.is_err());
    }
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 4);
    let told = "{\"code\":\"RESOURCE_EXHAUSTED\",\"details\":{\"retry-after-ms\":\"1\"}}";
    assert!(unary(&host, "fail", told).await.is_err());
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 6);
}

#[tokio::test]
async fn a_call_whose_input_is_not_complete_is_not_tried_again() {
    let host = host(options(), "").await;
    let mut call = call(&host);
    call.send(Part::event(event("flaky", "{\"until\":2}")))
        .await;
    let end = within(call.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::Unavailable);
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 0);
}

#[tokio::test]
async fn half_a_message_holds_no_other_call() {
    // The other call has as long for the start of its instance.
    let host = host(impatient(once(options())), "limits: {timeout: 4s}").await;
    let mut half = call(&host);
    half.send(Part::last(event("half", "{}"))).await;
    assert_eq!(data(unary(&host, "echo", "1").await), 1);
    let end = within(half.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_flood_of_stderr_blocks_nobody() {
    let host = host(options(), "").await;
    let flood = unary(&host, "stderr", "{\"kib\":20000}");
    let others = async {
        for n in 0..20 {
            assert_eq!(data(unary(&host, "echo", &n.to_string()).await), n);
        }
    };
    let (flood, ()) = tokio::join!(flood, others);
    assert_eq!(flood, Ok(vec![]));
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_its_own_function_back() {
    let mut options = alone(options());
    options.settings.max_message_bytes = 1 << 20;
    let host = host(options, "limits: {output: 1Gi, timeout: 30s}").await;
    let mut slow = call(&host);
    let flood = "{\"events\":200,\"bytes\":50000}";
    slow.send(Part::last(event("flood", flood))).await;
    // Ten megabytes are under way, and what is held is about one.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut events = 0;
    let end = loop {
        let part = within(slow.next()).await.unwrap();
        events += usize::from(part.event.is_some());
        if let Some(end) = part.end {
            break end;
        }
    };
    assert_eq!((events, end), (200, Status::ok()));
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_given_up_for_the_sake_of_others() {
    let mut options = alone(options());
    options.settings.max_message_bytes = 1 << 20;
    let host = host(options, "concurrency: 2, limits: {output: 1Gi}").await;
    let mut slow = call(&host);
    let flood = "{\"events\":200,\"bytes\":50000}";
    slow.send(Part::last(event("flood", flood))).await;
    assert_eq!(data(unary(&host, "echo", "1").await), 1);
    let mut parts = Vec::new();
    while let Some(part) = within(slow.next()).await {
        parts.push(part);
    }
    let end = parts.last().unwrap().end.clone().unwrap();
    assert_eq!(end.code, Code::ResourceExhausted);
    assert!(parts.len() < 40, "{} parts were held", parts.len());
}

#[tokio::test]
async fn a_function_that_does_not_read_holds_its_caller_back() {
    let host = host(impatient(once(options())), "limits: {timeout: 1s}").await;
    let mut deaf = call(&host);
    let event = Event::builder("1", "/test", "deaf").build().unwrap();
    deaf.send(Part::event(event.clone())).await;
    let more = event
        .to_builder()
        .data(vec![b'x'; 100_000])
        .build()
        .unwrap();
    let sending = async {
        for _ in 0..1000 {
            deaf.send(Part::event(more.clone())).await;
        }
    };
    // It waits until the call is over, and what comes then is dropped.
    within(sending).await;
    let end = within(deaf.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn calls_wait_for_room_and_too_many_are_refused() {
    let mut options = alone(options());
    options.scale.queue = 1;
    let host = host(options, "").await;
    let (first, pid) = hanging(&host, "{}").await;
    let mut second = call(&host);
    second.send(Part::last(event("who", "{}"))).await;
    let refused = host.call("t", "f", Context::default()).unwrap_err();
    assert_eq!(refused.code, Code::ResourceExhausted);
    assert!(refused.retryable());
    drop(first);
    let part = within(second.next()).await.unwrap();
    let who: serde_json::Value =
        serde_json::from_slice(part.event.unwrap().data().unwrap().as_bytes()).unwrap();
    assert_eq!(who["pid"], pid);
}

#[tokio::test]
async fn a_call_that_waits_can_be_given_up_and_runs_out_of_time() {
    let host = host(alone(options()), "").await;
    let (_first, _) = hanging(&host, "{}").await;
    let mut second = call(&host);
    second.cancel("never mind");
    let end = within(second.next()).await.unwrap().end.unwrap();
    assert_eq!(
        (end.code, end.message.as_str()),
        (Code::Cancelled, "never mind")
    );

    let soon = std::time::SystemTime::now() + Duration::from_millis(300);
    let soon = soon
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let context = Context {
        deadline_ms: Some(soon as i64),
        ..Context::default()
    };
    let third = host.call("t", "f", context).unwrap();
    let result = within(third.unary(event("who", "{}"))).await;
    assert_eq!(code(&result), Code::DeadlineExceeded);
}

#[tokio::test]
async fn no_process_serves_two_tenants() {
    let host = host(options(), "concurrency: 8").await;
    for tenant in ["a", "b", "c"] {
        host.deploy(tenant, manifest("f", "concurrency: 8"), folder())
            .await
            .unwrap();
    }
    let mut pids = std::collections::HashMap::new();
    for round in 0..5 {
        for tenant in ["a", "b", "c"] {
            let call = host.call(tenant, "f", Context::default()).unwrap();
            let who = data(within(call.unary(event("who", "{}"))).await);
            assert_eq!(who["tenant"], tenant);
            let owner = pids.entry(who["pid"].to_string()).or_insert(tenant);
            assert_eq!(*owner, tenant, "round {round}");
        }
    }
    assert_eq!(pids.len(), 3);
    assert_eq!(
        host.call("d", "f", Context::default()).unwrap_err().code,
        Code::NotFound
    );
}

#[tokio::test]
async fn a_record_names_its_call_only_if_that_is_open() {
    let (lines, mut records) = tokio::sync::mpsc::unbounded_channel();
    let mut options = options();
    options.logs = Some(LogSink::new(move |line| {
        let _ = lines.send(line);
    }));
    let host = host(options, "").await;
    let context = Context {
        invocation_id: "mine".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        ..Context::default()
    };
    let call = host.call("t", "f", context.clone()).unwrap();
    assert_eq!(within(call.unary(event("log", "{}"))).await, Ok(vec![]));
    let (mine, other) = (records.recv().await.unwrap(), records.recv().await.unwrap());
    assert_eq!(
        (mine.record.body(), &*mine.tenant, &*mine.function),
        ("mine", "t", "f")
    );
    let identity = mine.call.unwrap();
    assert_eq!(identity.invocation_id, "mine");
    assert_eq!(identity.traceparent, context.traceparent);
    assert_eq!((other.record.body(), other.call), ("not mine", None));
}

#[tokio::test]
async fn a_sink_that_panics_loses_one_record_and_nothing_else() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let mut options = once(options());
    options.logs = Some(LogSink::new(move |_| {
        let before = count.fetch_add(1, Ordering::Relaxed);
        assert!(before > 0, "as the test wants it");
    }));
    let host = host(options, "").await;
    // More than a pipe holds.
    let flood = unary(&host, "stderr", "{\"kib\":4000}").await;
    assert_eq!(flood, Ok(vec![]));
    assert!(taken.load(Ordering::Relaxed) > 1);
}
