//! Amazon Web Services.

pub(crate) mod s3;

use crate::json::Value;

/// Whether the payload is a batch whose first record is of this source, under the name that SNS
/// writes `EventSource` and the others `eventSource`.
fn is_batch_of(payload: Option<Value<'_>>, source: impl Fn(&str) -> bool) -> bool {
    let record = payload.and_then(|payload| payload.at("/Records/0"));
    let name = record.and_then(|record| record.get("eventSource"));
    name.and_then(|name| name.as_str())
        .is_some_and(|name| source(&name))
}
