//! A call as a request sees it: all events in, all results out.

use std::future::pending;

use jiff::Timestamp;
use libfaas::host::{CallInput, Host, Part};
use libfaas::{Context, Event, Status};

/// A name for an invocation that no other has, anywhere.
pub fn new_id() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has randomness");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls a function with these events and collects its results. Dropped, it cancels the call.
///
/// # Errors
///
/// What the call ended with, other than OK.
pub async fn invoke(
    host: &Host,
    tenant: &str,
    name: &str,
    context: Context,
    events: Vec<Event>,
) -> Result<Vec<Event>, Status> {
    let context = bounded(host, tenant, name, context);
    let (input, output) = host.call(tenant, name, context)?.split();
    let sent = async {
        // Dropped before the results are there, it would cancel the call.
        let _input = send(input, events).await;
        pending().await
    };
    // The function may answer before it has read everything, and may have to be read for that.
    tokio::select! {
        biased;
        results = output.collect() => results,
        never = sent => never,
    }
}

/// The function's time limit is that of one attempt; here it is the deadline of the whole call too,
/// so that a caller does not wait for several.
fn bounded(host: &Host, tenant: &str, name: &str, mut context: Context) -> Context {
    let limit = host
        .look(tenant, name)
        .and_then(|state| state.revision.bounds.timeout);
    if let Some(limit) = limit.and_then(|limit| i64::try_from(limit.as_millis()).ok()) {
        let latest = Timestamp::now().as_millisecond().saturating_add(limit);
        let deadline = context.deadline_ms.unwrap_or(latest).min(latest);
        context.deadline_ms = Some(deadline);
    }
    context
}

async fn send(mut input: CallInput, events: Vec<Event>) -> CallInput {
    let count = events.len();
    for (index, event) in events.into_iter().enumerate() {
        // A call of one event is one message, with its end.
        let last = index + 1 == count;
        let part = if last {
            Part::last(event)
        } else {
            Part::event(event)
        };
        input.send(part).await;
    }
    input
}
