//! The input of one call between its reader and its handler.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{AttributeValue, Event, Status};

/// What the handler of a call has not taken yet, and how many bytes that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    items: VecDeque<Item>,
    queued: usize,
    /// Taken, and being put together into an event.
    kept: usize,
}

/// A step of a call's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Event { event: Event, more: bool },
    Chunk { bytes: Bytes, more: bool },
    End,
    Failed(Status),
}

/// What there is to take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Item(Item),
    /// Nothing yet.
    Wait,
}

impl Inbox {
    /// Adds an item; nothing follows the end or a failure.
    pub(super) fn push(&mut self, item: Item) {
        if !matches!(self.items.back(), Some(Item::End | Item::Failed(_))) {
            self.queued += item.size();
            self.items.push_back(item);
        }
    }

    /// Fails the call once what stands before is handled; what follows is dropped.
    pub(super) fn fail(&mut self, status: Status) {
        self.push(Item::Failed(status));
    }

    /// Takes the next item. The end and a failure stay, for whoever asks again. With `keep`, pieces
    /// count as held until [`release`](Self::release).
    pub(super) fn take(&mut self, keep: bool) -> Taken {
        match self.items.front() {
            None => Taken::Wait,
            Some(last @ (Item::End | Item::Failed(_))) => Taken::Item(last.clone()),
            Some(first) => {
                let size = first.size();
                self.queued -= size;
                if keep && !first.is_whole() {
                    self.kept += size;
                }
                let item = self.items.pop_front().expect("there is a front");
                Taken::Item(item)
            }
        }
    }

    /// Takes the next item if that is an event with all of its data.
    pub(super) fn take_whole(&mut self) -> Option<Event> {
        if !self.items.front()?.is_whole() {
            return None;
        }
        match self.take(false) {
            Taken::Item(Item::Event { event, .. }) => Some(event),
            _ => None,
        }
    }

    /// Drops everything, but for the memory that another call may use.
    pub(super) fn clear(&mut self) {
        const MOST: usize = 64;
        self.items.clear();
        self.items.shrink_to(MOST);
        (self.queued, self.kept) = (0, 0);
    }

    pub(super) fn release(&mut self) {
        self.kept = 0;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.items.front() == Some(&Item::End)
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn held(&self) -> usize {
        self.queued + self.kept
    }
}

impl Item {
    /// Whether it is an event of which no more comes.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Item::Event { more: false, .. })
    }

    /// The bytes of the item's data and attributes, which are never more than those of its message.
    /// Small items have a price too, so that many of them reach a limit.
    fn size(&self) -> usize {
        const LEAST: usize = 256;
        match self {
            Item::Event { event, .. } => {
                let attribute = |(name, value): (&str, &AttributeValue)| {
                    name.len() + value.as_str().map_or(1, str::len)
                };
                let data = event.data().map_or(0, |data| data.as_bytes().len());
                LEAST.max(data + event.attributes().map(attribute).sum::<usize>())
            }
            Item::Chunk { bytes, .. } => LEAST.max(bytes.len()),
            Item::End | Item::Failed(_) => 0,
        }
    }
}
