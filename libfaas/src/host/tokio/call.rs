//! A call as its caller sees it.

use std::sync::Arc;

use super::invocation::Invocation;
use super::options::Retry;
use crate::host::{Assembly, Part};
use crate::{Code, Context, Event, Status};

/// A call that a [`Host`](super::Host) has accepted. It ends with exactly one part that has an `end`,
/// whatever becomes of the function; dropped before that, it is cancelled.
///
/// Input and output go at the same time: [`split`](Self::split) it where one must not wait for the
/// other.
#[derive(Debug)]
pub struct Call {
    input: CallInput,
    output: CallOutput,
}

/// Where the input of a [`Call`] goes. Dropped before the input's `end`, it cancels the call.
#[derive(Debug)]
pub struct CallInput {
    invocation: Handle,
    retry: Retry,
    ended: bool,
}

/// Where the output of a [`Call`] comes from. Dropped before its `end`, it cancels the call.
#[derive(Debug)]
pub struct CallOutput {
    invocation: Handle,
}

struct Handle(Arc<Invocation>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.ticket)
    }
}

impl Call {
    pub(super) fn new(invocation: Arc<Invocation>, retry: Retry) -> Self {
        let output = CallOutput {
            invocation: Handle(Arc::clone(&invocation)),
        };
        let invocation = Handle(invocation);
        let ended = false;
        let input = CallInput {
            invocation,
            retry,
            ended,
        };
        Call { input, output }
    }

    /// How it runs: the context that it was made with, and what the host filled in.
    pub fn context(&self) -> Context {
        self.input.invocation.0.context()
    }

    /// Adds to the input; see [`CallInput::send`].
    pub async fn send(&mut self, part: Part) {
        self.input.send(part).await;
    }

    /// The next part of the output; see [`CallOutput::next`].
    pub async fn next(&mut self) -> Option<Part> {
        self.output.next().await
    }

    /// Gives the call up; see [`CallInput::cancel`].
    pub fn cancel(&mut self, reason: &str) {
        self.input.cancel(reason);
    }

    /// Both directions, to be used at the same time.
    pub fn split(self) -> (CallInput, CallOutput) {
        (self.input, self.output)
    }

    /// Sends one event as the whole input and collects the results.
    ///
    /// # Errors
    ///
    /// What the call ended with, other than OK.
    pub async fn unary(mut self, event: Event) -> Result<Vec<Event>, Status> {
        self.send(Part::last(event)).await;
        self.collect().await
    }

    /// Collects the results of a call whose input has been sent.
    ///
    /// # Errors
    ///
    /// What the call ended with, other than OK.
    pub async fn collect(self) -> Result<Vec<Event>, Status> {
        // Dropped before the output's end, the input would cancel the call.
        let (_input, output) = self.split();
        output.collect().await
    }
}

impl CallInput {
    /// Waits until there is room for more input: a function that does not read holds its callers
    /// back.
    pub async fn ready(&self) {
        self.invocation.0.input_room().await;
    }

    /// Adds to the input, once there is room. What comes after its `end`, or after that of the call,
    /// is dropped.
    pub async fn send(&mut self, part: Part) {
        self.ready().await;
        self.ended |= part.end.is_some();
        self.invocation.0.send(part, &self.retry);
    }

    /// Gives the call up. It still ends: as CANCELLED, or as the function ended it before.
    pub fn cancel(&mut self, reason: &str) {
        self.invocation.0.cancel(reason, false);
    }
}

impl CallOutput {
    /// The next part of the output; None after the one with the `end`.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Part> {
        self.invocation.0.next().await
    }

    /// Collects the results, until the call's end.
    ///
    /// # Errors
    ///
    /// What the call ended with, other than OK.
    pub async fn collect(mut self) -> Result<Vec<Event>, Status> {
        let mut events = Vec::new();
        let mut assembly = Assembly::default();
        while let Some(mut part) = self.next().await {
            let end = part.end.take();
            match assembly.add(part) {
                Ok(event) => events.extend(event),
                Err(invalid) => return Err(Status::new(Code::Internal, invalid.to_string())),
            }
            match end {
                None => {}
                Some(end) if end.is_ok() => return Ok(events),
                Some(end) => return Err(end),
            }
        }
        Err(Status::new(
            Code::Internal,
            "the call's output was taken before",
        ))
    }
}

impl Drop for CallInput {
    fn drop(&mut self) {
        if !self.ended && !self.invocation.0.is_over() {
            self.invocation.0.cancel("the caller went away", false);
        }
    }
}

impl Drop for CallOutput {
    fn drop(&mut self) {
        self.invocation.0.cancel("the caller went away", true);
    }
}
