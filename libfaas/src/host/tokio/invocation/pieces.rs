//! Parts that wait, and what they cost.

use std::collections::VecDeque;

use crate::host::Part;
use crate::{AttributeValue, Event, Status};

/// Parts and their size. Most calls never have more than one that waits.
#[derive(Clone, Default)]
pub(super) struct Pieces {
    first: Option<Part>,
    rest: VecDeque<Part>,
    pub(super) bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, part: Part) {
        self.bytes += size(&part);
        match self.first {
            None => self.first = Some(part),
            Some(_) => self.rest.push_back(part),
        }
    }

    /// Adds the end, to the last part if that is still there.
    pub(super) fn end(&mut self, status: Status) {
        match self.rest.back_mut().or(self.first.as_mut()) {
            Some(last) if !last.more => last.end = Some(status),
            _ => self.push(Part::end(status)),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Part> {
        let part = self.first.take()?;
        self.first = self.rest.pop_front();
        self.bytes -= size(&part);
        Some(part)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// What a part costs to hold. Small ones have a price too, so that many of them reach a bound.
fn size(part: &Part) -> usize {
    const LEAST: usize = 256;
    let attribute =
        |(name, value): (&str, &AttributeValue)| name.len() + value.as_str().map_or(8, str::len);
    let event = |event: &Event| {
        let data = event.data().map_or(0, |data| data.as_bytes().len());
        data + event.attributes().map(attribute).sum::<usize>()
    };
    let chunk = part.chunk.as_ref().map_or(0, bytes::Bytes::len);
    LEAST + part.event.as_ref().map_or(0, event) + chunk
}
