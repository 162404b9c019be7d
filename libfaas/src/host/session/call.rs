//! What a host keeps of a call that is open on the wire.

use std::time::Instant;

use super::utf8::Utf8;
use crate::host::Assembly;
use crate::{Code, Context, Data, Event, Status};

#[derive(Clone, Debug)]
pub(super) struct Call {
    /// To be written with the first message.
    pub(super) context: Option<Context>,
    /// What stands for it among the timers.
    pub(super) due: Option<Instant>,
    /// Something has been written for it: the function knows, or will know, of it.
    pub(super) begun: bool,
    pub(super) input: Input,
    /// Its caller has been told the end; the function's is still to come.
    pub(super) over: bool,
    /// How it ends when the grace after `cancel` passes without an `end`.
    pub(super) given_up: Option<Status>,
    pub(super) sent: Sent,
    pub(super) read: Read,
}

/// What the host has written of a call's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    Ended,
    Cancelled,
}

/// The event of the input that is unfinished.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub(super) unfinished: bool,
    /// Bytes of data of the current event.
    pub(super) data: u64,
    /// Where the function takes no pieces: what has come of it.
    pub(super) assembly: Option<Box<Assembly>>,
}

/// The output so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    pub(super) unfinished: bool,
    /// Of the unfinished event's data, if that is text.
    pub(super) text: Option<Utf8>,
    /// Bytes of all events, data and attributes.
    pub(super) bytes: u64,
}

impl Call {
    pub(super) fn new(context: Context, deadline: Option<Instant>) -> Self {
        Call {
            context: says_something(&context).then_some(context),
            due: deadline,
            begun: false,
            input: Input::Open,
            over: false,
            given_up: None,
            sent: Sent::default(),
            read: Read::default(),
        }
    }

    /// How the call ends when its instance dies of `status`: one that was overdue has a name of its
    /// own, where the death has none.
    pub(super) fn dies_of(&self, status: &Status) -> Status {
        let overdue = |own: &&Status| own.code == Code::DeadlineExceeded;
        match self.given_up.as_ref().filter(overdue) {
            Some(own) if status.code == Code::Unavailable => own.clone(),
            _ => status.clone(),
        }
    }
}

/// Whether any field of a context is there.
fn says_something(context: &Context) -> bool {
    let Context {
        invocation_id,
        attempt,
        deadline_ms,
        traceparent,
        tracestate,
        baggage,
        extra,
    } = context;
    let texts = [invocation_id, traceparent, tracestate, baggage];
    *attempt != 0
        || deadline_ms.is_some()
        || texts.into_iter().any(|text| !text.is_empty())
        || !extra.is_empty()
}

/// Bytes of an event's data.
pub(super) fn data_bytes(event: &Event) -> u64 {
    event.data().map_or(0, |data| data.as_bytes().len() as u64)
}

/// Bytes of an event, whatever its encoding: its data, and its attributes as far as they are text.
pub(super) fn event_bytes(event: &Event) -> u64 {
    let optional = event
        .attributes()
        .map(|(name, value)| name.len() + value.as_str().map_or(4, str::len));
    let required = event.id().len() + event.source().len() + event.ty().len();
    (required + optional.sum::<usize>()) as u64 + data_bytes(event)
}

/// The check of text that comes in pieces, where it is text.
pub(super) fn text_of(event: &Event) -> Option<Utf8> {
    match event.data() {
        Some(Data::Text(_) | Data::Json(_)) => Some(Utf8::default()),
        _ => None,
    }
}
