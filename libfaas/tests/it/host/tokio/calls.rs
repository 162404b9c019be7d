//! Calls, and how they end.

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
    let mut options = options();
    options.retry.attempts = 1;
    let host = host(options, "").await;
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
    let mut options = options();
    options.scale.max = 1;
    let host = host(options, "").await;
    let (call, pid) = hanging(&host, "{}").await;
    drop(call);
    assert_eq!(data(unary(&host, "who", "{}").await)["pid"], pid);
}
