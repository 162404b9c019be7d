//! What is kept of a call: a record in the log and its part in the metrics.

use std::time::Instant;

use libfaas::{Code, Context, Event, Status};

use super::metrics::Metrics;
use crate::log::{Log, Record, Severity};

/// A call that is not over. Dropped, it was given up by its caller.
pub struct Account<'a> {
    log: &'a Log,
    metrics: &'a Metrics,
    tenant: &'a str,
    name: &'a str,
    invocation: String,
    traceparent: String,
    start: Instant,
    open: bool,
}

impl<'a> Account<'a> {
    /// Begins with the call.
    pub fn open(
        log: &'a Log,
        metrics: &'a Metrics,
        tenant: &'a str,
        name: &'a str,
        context: &Context,
    ) -> Self {
        Account {
            log,
            metrics,
            tenant,
            name,
            invocation: context.invocation_id.clone(),
            traceparent: context.traceparent.clone(),
            start: Instant::now(),
            open: true,
        }
    }

    /// Ends with it.
    pub fn close(mut self, ended: &Result<Vec<Event>, Status>) {
        match ended {
            Ok(results) => self.put(&Status::ok(), Some(results.len())),
            Err(status) => self.put(status, None),
        }
    }

    fn put(&mut self, status: &Status, results: Option<usize>) {
        self.open = false;
        let took = self.start.elapsed();
        self.metrics
            .called(self.tenant, self.name, status.code, took);
        // What went wrong with a request is its sender's affair, what broke is the operator's.
        let severity = match status.code {
            Code::Unknown | Code::Internal | Code::DataLoss | Code::Unavailable => Severity::Warn,
            _ => Severity::Info,
        };
        let mut record = Record::new(severity, "call")
            .function(self.tenant, self.name)
            .with("call", self.invocation.as_str())
            .with("code", status.code.name())
            .with("ms", took.as_micros() as f64 / 1000.0)
            .trace(&self.traceparent);
        if let Some(results) = results {
            record = record.with("results", results);
        }
        if !status.message.is_empty() {
            record = record.with("message", status.message.as_str());
        }
        self.log.put(&record);
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if self.open {
            self.put(&Status::new(Code::Cancelled, "the client went away"), None);
        }
    }
}
