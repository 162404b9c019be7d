//! What the probe knows of calls: of each open one all, of past ones that they were.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use libfaas::{Context, Data, Event, Status};

use crate::fault::fault;

#[derive(Default)]
pub(crate) struct Call {
    pub(crate) context: Option<Context>,
    /// Whether the context has yet to be written back.
    pub(crate) context_due: bool,
    pub(crate) input_ended: bool,
    pub(crate) output_ended: bool,
    /// Kept for faults: by which read the handler ended it; 0 if it was not the handler.
    pub(crate) ended_in: u64,
    pub(crate) unfinished: Option<Unfinished>,
    /// Events that the handler has not seen.
    pub(crate) inbox: VecDeque<Event>,
    /// Whether the handler is at work.
    pub(crate) busy: bool,
    pub(crate) results: u64,
    /// What a fault keeps for later: a result, or the status to end with.
    pub(crate) stash: Option<Event>,
    pub(crate) failure: Option<Status>,
}

impl Call {
    pub(crate) fn new(context: Option<Context>) -> Call {
        Call {
            context_due: context.is_some(),
            context,
            ..Call::default()
        }
    }

    /// Bytes of data that are held for the call.
    pub(crate) fn held(&self) -> usize {
        let unfinished = self
            .unfinished
            .as_ref()
            .map_or(0, |unfinished| unfinished.len);
        unfinished
            + self
                .inbox
                .iter()
                .map(|event| event.data().map_or(0, |data| data.as_bytes().len()))
                .sum::<usize>()
    }
}

/// An event whose data is still coming.
pub(crate) struct Unfinished {
    event: Event,
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Unfinished {
    pub(crate) fn new(event: Event) -> Unfinished {
        let mut unfinished = Unfinished {
            pieces: VecDeque::new(),
            len: 0,
            event,
        };
        if let Some(data) = unfinished.event.data()
            && !fault!("chunk-inline-lost")
        {
            unfinished.push(Bytes::copy_from_slice(data.as_bytes()));
        }
        unfinished
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push_back(piece);
    }

    /// The whole event; an error says why it is invalid.
    pub(crate) fn complete(mut self) -> Result<Event, String> {
        if fault!("chunk-lost") {
            self.pieces.pop_back();
        }
        if fault!("chunk-reordered") {
            self.pieces.rotate_right(1);
        }
        let bytes: Vec<u8> = self.pieces.iter().flatten().copied().collect();
        let data = match self.event.data() {
            Some(Data::Binary(_)) | None => Data::Binary(bytes.into()),
            Some(_) if fault!("chunk-text-lossy") => {
                Data::Text(String::from_utf8_lossy(&bytes).into_owned().into())
            }
            Some(_) => Data::Text(
                String::from_utf8(bytes)
                    .map_err(|e| format!("text in pieces that is not UTF-8: {e}"))?
                    .into(),
            ),
        };
        self.event
            .to_builder()
            .data(data)
            .build()
            .map_err(|e| e.to_string())
    }
}

/// How a past call came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Finished,
    Cancelled,
}

/// The calls that were last finished or cancelled. Older ones are forgotten.
#[derive(Default)]
pub(crate) struct Past {
    fates: BTreeMap<u64, Fate>,
    order: VecDeque<u64>,
}

impl Past {
    pub(crate) fn fate(&self, call: u64) -> Option<Fate> {
        self.fates.get(&call).copied()
    }

    pub(crate) fn remember(&mut self, call: u64, fate: Fate) {
        let kept = if fault!("memory-short") { 16 } else { 1024 };
        if self.fates.insert(call, fate).is_none() {
            self.order.push_back(call);
        }
        if self.order.len() > kept {
            let oldest = self.order.pop_front().expect("more than none");
            self.fates.remove(&oldest);
        }
    }

    pub(crate) fn forget(&mut self, call: u64) {
        self.fates.remove(&call);
        self.order.retain(|other| *other != call);
    }
}
