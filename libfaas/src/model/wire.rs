//! One call by its messages alone: what either side may write.

use super::{Broken, ensure};
use crate::{Message, Status};

/// What has passed of one call, by the messages alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    /// Its first message was no cancel, so that an end is owed.
    opened: bool,
    input_ended: bool,
    pub(super) cancelled: bool,
    copied: bool,
    has_context: bool,
    /// Items that were written.
    pub(super) written: u8,
    pub(super) end: Option<Status>,
}

impl Wire {
    /// A message of the host.
    pub(super) fn hear(&mut self, message: &Message) -> Result<(), Broken> {
        let call = message.call;
        ensure!(
            !self.cancelled,
            "call {call}: the host wrote {message:?} after its cancel"
        );
        ensure!(
            !self.input_ended || message.cancel.is_some(),
            "call {call}: the host wrote {message:?} after its end"
        );
        self.opened |= message.cancel.is_none();
        self.input_ended |= message.end.is_some();
        self.cancelled |= message.cancel.is_some();
        Ok(())
    }

    /// A function that has nothing more to do has copied the cancel, and ended what was opened.
    pub(super) fn is_settled(&self) -> bool {
        self.copied == self.cancelled && self.end.is_some() == self.opened
    }

    /// A message of the function.
    pub(super) fn say(&mut self, message: &Message) -> Result<(), Broken> {
        let call = message.call;
        let data = message.event.is_some() || message.chunk.is_some();
        let silent = !data && message.end.is_none();
        ensure!(
            self.end.is_none() || silent,
            "call {call}: the function wrote {message:?} after its end"
        );
        if message.cancel.is_some() {
            ensure!(
                self.cancelled && !self.copied,
                "call {call}: a cancel was copied that was not new"
            );
            self.copied = true;
        }
        ensure!(
            !self.has_context || message.context.is_none(),
            "call {call}: its context was written twice"
        );
        self.has_context |= message.context.is_some();
        self.written += u8::from(data);
        self.end = self.end.take().or_else(|| message.end.clone());
        Ok(())
    }
}
