//! Where the records of functions go.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::Context;
use crate::host::Record;

/// A record of a function's stderr, with what the host knows of it.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Whose function it is.
    pub tenant: Arc<str>,
    /// The function's name.
    pub function: Arc<str>,
    /// The revision that runs.
    pub revision: Arc<str>,
    /// The instance: the revision and a number.
    pub instance: Arc<str>,
    /// Which program of a pipeline, from 0.
    pub stage: usize,
    /// The call that it belongs to, as far as the host can tell (`log-call-believed`).
    pub call: Option<CallIdentity>,
    /// What the function wrote.
    pub record: Record,
}

/// A call, as a log knows it. Both are the call's, not the record's (`log-identity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallIdentity {
    /// `invocationId`.
    pub invocation_id: String,
    /// `traceparent`; empty when absent.
    pub traceparent: String,
}

impl CallIdentity {
    pub(super) fn of(context: &Context) -> Self {
        CallIdentity {
            invocation_id: context.invocation_id.clone(),
            traceparent: context.traceparent.clone(),
        }
    }
}

/// Takes the records of all functions. It is called on the tasks that read stderr, so it must not
/// wait: who can't keep up drops records. One that it panics at is lost, and nothing else is.
#[derive(Clone)]
pub struct LogSink(Arc<dyn Fn(LogLine) + Send + Sync>);

impl LogSink {
    /// A sink that hands records to `put`.
    pub fn new(put: impl Fn(LogLine) + Send + Sync + 'static) -> Self {
        LogSink(Arc::new(put))
    }

    pub(super) fn put(&self, line: LogLine) {
        // Else nobody would read stderr any more, and the function would get SIGPIPE.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(line)));
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSink")
    }
}
