//! How an invocation runs: from the message in stream mode, from the environment in the others.

mod environment;
mod trace;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use environment::{Environment, InvalidEnvironment};

use crate::error::{Rule, quote};

/// How an invocation runs. It travels beside the event, never in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Unique per invocation, the same across its retries; empty when absent.
    pub invocation_id: String,
    /// 1 on the first try; 0 when absent.
    pub attempt: u32,
    /// Milliseconds since the Unix epoch by the runtime's clock; None: no deadline.
    pub deadline_ms: Option<i64>,
    /// W3C Trace Context's `traceparent`; empty when absent.
    pub traceparent: String,
    /// W3C Trace Context's `tracestate`; empty when absent.
    pub tracestate: String,
    /// W3C Baggage; empty when absent.
    pub baggage: String,
    /// What a platform adds; names are `[A-Z][A-Z0-9_]*`.
    pub extra: BTreeMap<String, String>,
}

/// A context with a value that the specification rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidContext {
    rule: Rule,
    field: String,
    expected: Cow<'static, str>,
    came: String,
}

impl InvalidContext {
    /// The identifier of the broken rule, a heading in the specification.
    pub fn rule(&self) -> &'static str {
        self.rule.id()
    }

    /// The field as in the message's JSON, like `traceparent` or `extra`.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for InvalidContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidContext {
            rule,
            field,
            expected,
            came,
        } = self;
        write!(
            f,
            "context `{field}`: expected {expected}, got {came} (rule {})",
            rule.id()
        )
    }
}

impl std::error::Error for InvalidContext {}

impl Context {
    /// Checks all fields: nothing is repaired, the first fault is reported.
    ///
    /// # Errors
    ///
    /// A control character anywhere; a trace field outside W3C's grammar; a name in `extra` that is
    /// not `[A-Z][A-Z0-9_]*`.
    pub fn validate(&self) -> Result<(), InvalidContext> {
        let fail = |rule, field: &str, expected: &'static str, came: &str| {
            let (field, came) = (field.to_owned(), quote(came.as_bytes()));
            Err(InvalidContext {
                rule,
                field,
                expected: expected.into(),
                came,
            })
        };
        let texts = [
            ("invocationId", &self.invocation_id),
            ("traceparent", &self.traceparent),
            ("tracestate", &self.tracestate),
            ("baggage", &self.baggage),
        ];
        for (field, text) in texts
            .into_iter()
            .chain(self.extra.values().map(|text| ("extra", text)))
        {
            if has_control(text) {
                return fail(
                    Rule::Context,
                    field,
                    "text without control characters",
                    text,
                );
            }
        }
        if let Some(name) = self.extra.keys().find(|name| !is_extra_name(name)) {
            return fail(
                Rule::Context,
                "extra",
                "names of the form [A-Z][A-Z0-9_]*",
                name,
            );
        }
        for (field, text, fits) in [
            (
                "traceparent",
                &self.traceparent,
                trace::is_traceparent as fn(&str) -> bool,
            ),
            ("tracestate", &self.tracestate, trace::is_tracestate),
            ("baggage", &self.baggage, trace::is_baggage),
        ] {
            if !text.is_empty() && !fits(text) {
                return fail(Rule::Context, field, "W3C's grammar for it", text);
            }
        }
        Ok(())
    }
}

fn has_control(text: &str) -> bool {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    !plain && text.chars().any(char::is_control)
}

fn is_extra_name(name: &str) -> bool {
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(upper)
}
