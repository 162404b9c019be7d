//! JSON.

use crate::InvalidJson;

/// Checks that `text` is one JSON value.
pub(crate) fn check_text(text: &str, _depth: usize) -> Result<(), InvalidJson> {
    serde_json::from_str::<&serde_json::value::RawValue>(text)
        .map(|_| ())
        .map_err(|error| InvalidJson {
            reason: error.to_string(),
        })
}
