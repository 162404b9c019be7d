//! What the adapters must not look up themselves: the clock, and a source of identifiers.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use faas_adapters::Delivery;
use libfaas::Timestamp;

use crate::exit::Failure;
use crate::files;

/// The delivery of a payload that comes now, with what its description says.
pub(crate) fn delivery(
    payload: impl Into<Bytes>,
    description: Option<&Path>,
) -> Result<Delivery, Failure> {
    let mut delivery = Delivery::new(payload, now(), new_id());
    if let Some(path) = description {
        let described = delivery.describe(&files::file(path)?);
        described.map_err(|error| Failure::mapping(&error, true))?;
    }
    Ok(delivery)
}

pub(crate) fn now() -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(0);
    Timestamp::from_unix(seconds, now.subsec_nanos()).expect("the clock shows a year up to 9999")
}

/// 128 random bits: each state hashes with keys that came from the system's source of randomness.
fn new_id() -> String {
    let [a, b] = [0, 1].map(|part| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id() + part);
        hasher.finish()
    });
    format!("{a:016x}{b:016x}")
}
