//! Who calls: what was sent, and what has come.

use super::{Broken, Item, ensure, event};
use crate::host::Part;
use crate::{Code, Status};

#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// Items of the input.
    pub(super) sent: u8,
    /// An event of the input has more to come.
    pub(super) unfinished: bool,
    /// The end of the input.
    pub(super) closed: Option<Code>,
    pub(super) cancelled: bool,
    /// Items of the output.
    pub(super) received: u8,
    expects_chunk: bool,
    /// How the call has ended.
    pub(super) end: Option<Status>,
}

impl Caller {
    pub(super) fn may_send(&self) -> bool {
        self.end.is_none() && self.closed.is_none() && !self.cancelled
    }

    /// What may be sent next, no more than `most` items in all.
    pub(super) fn choices(&self, most: u8, pieces: bool) -> Vec<Item> {
        choices(self.sent, self.unfinished, most, pieces)
    }

    pub(super) fn send(&mut self, item: Item) -> Part {
        let part = part(item, self.sent);
        self.sent += u8::from(part.event.is_some() || part.chunk.is_some());
        self.unfinished = part.more;
        self.closed = part.end.as_ref().map(|end| end.code);
        part
    }

    /// Takes what came of the output, which is what the handler gave, in its order.
    pub(super) fn receive(&mut self, call: u64, part: Part) -> Result<(), Broken> {
        ensure!(self.end.is_none(), "call {call}: {part:?} after its end");
        let n = self.received;
        if let Some(event) = &part.event {
            ensure!(
                event.id() == n.to_string(),
                "call {call}: event {} for {n}",
                event.id()
            );
            ensure!(
                !self.expects_chunk,
                "call {call}: an event in the middle of another"
            );
        }
        if let Some(chunk) = &part.chunk {
            ensure!(chunk[..] == [n], "call {call}: chunk {chunk:?} for {n}");
            ensure!(self.expects_chunk, "call {call}: a chunk of no event");
        }
        if part.event.is_some() || part.chunk.is_some() {
            self.received += 1;
            self.expects_chunk = part.more;
        }
        self.end = part.end;
        Ok(())
    }
}

/// What may follow in a direction with so many items.
pub(super) fn choices(items: u8, unfinished: bool, most: u8, pieces: bool) -> Vec<Item> {
    let room = items < most;
    match (unfinished, room) {
        (true, true) => vec![Item::Chunk, Item::LastChunk, Item::Abort],
        (true, false) => vec![Item::LastChunk, Item::Abort],
        (false, true) if pieces => {
            vec![Item::Event, Item::Last, Item::First, Item::End, Item::Abort]
        }
        (false, true) => vec![Item::Event, Item::Last, Item::End, Item::Abort],
        (false, false) => vec![Item::End, Item::Abort],
    }
}

/// The part that an item is, the `n`th of its direction.
pub(super) fn part(item: Item, n: u8) -> Part {
    let chunk = || Some(vec![n].into());
    match item {
        Item::Event => Part::event(event(n)),
        Item::Last => Part::last(event(n)),
        Item::First => Part {
            more: true,
            ..Part::event(event(n))
        },
        Item::Chunk => Part {
            chunk: chunk(),
            more: true,
            ..Part::default()
        },
        Item::LastChunk => Part {
            chunk: chunk(),
            ..Part::default()
        },
        Item::End => Part::end(Status::ok()),
        Item::Abort => Part::end(Code::DataLoss.into()),
    }
}
