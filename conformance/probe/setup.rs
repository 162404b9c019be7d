//! What the environment says, read without the library's help.

use std::env;

use libfaas::{Code, Context, Encoding, Mode};

use crate::fault::fault;

pub(crate) struct Setup {
    pub(crate) mode: Option<Mode>,
    pub(crate) encoding: Encoding,
    /// Whether the peer takes data in pieces.
    pub(crate) chunks: bool,
    pub(crate) concurrency: usize,
    pub(crate) max_message_bytes: usize,
    /// What initialisation ends with.
    pub(crate) init: Code,
}

impl Setup {
    /// The mode is `None` for `describe`. An error is for people, and costs exit status 78.
    pub(crate) fn from_env() -> Result<Setup, String> {
        let mode = match variable("FAAS_MODE").as_deref() {
            None if fault!("mode-default-stream") => Some(Mode::Stream),
            None => Some(Mode::Structured),
            Some("describe") => None,
            Some(name) => match name.parse() {
                Ok(mode) => Some(mode),
                Err(_) if fault!("mode-unknown-served") => Some(Mode::Stream),
                Err(_) => {
                    return Err(format!(
                        "FAAS_MODE: expected binary, structured, stream or describe, got `{name}`"
                    ));
                }
            },
        };
        let encoding = match variable("FAAS_ENCODING").as_deref() {
            None => Encoding::Json,
            Some(_) if mode == Some(Mode::Binary) => Encoding::Json,
            Some(name) => match name.parse() {
                Ok(encoding) => encoding,
                Err(_) if fault!("encoding-unknown-served") => Encoding::Json,
                Err(_) => {
                    return Err(format!(
                        "FAAS_ENCODING: expected json, protobuf or capnp, got `{name}`"
                    ));
                }
            },
        };
        Ok(Setup {
            mode,
            encoding,
            chunks: variable("FAAS_FEATURES")
                .is_some_and(|list| list.split(',').any(|feature| feature == "chunks")),
            concurrency: number("FAAS_CONCURRENCY", 1)?,
            max_message_bytes: number("FAAS_MAX_MESSAGE_BYTES", 16 << 20)?,
            init: variable("PROBE_INIT").map_or(Code::Ok, |name| Code::from_name(&name)),
        })
    }
}

/// The context of a process that lives for one invocation.
pub(crate) fn context_from_env() -> Context {
    let text = |name| variable(name).unwrap_or_default();
    Context {
        invocation_id: text("FAAS_INVOCATION_ID"),
        attempt: text("FAAS_ATTEMPT").parse().unwrap_or(0),
        deadline_ms: text("FAAS_DEADLINE_MS").parse().ok(),
        traceparent: text("TRACEPARENT"),
        tracestate: text("TRACESTATE"),
        baggage: text("BAGGAGE"),
        extra: env::vars()
            .filter_map(|(name, value)| Some((name.strip_prefix("FAAS_X_")?.to_owned(), value)))
            .collect(),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn number(name: &str, default: usize) -> Result<usize, String> {
    match variable(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name}: expected a whole number, got `{text}`")),
    }
}
