//! What a handler does, through the session, with its call.

use super::function::Process;
use super::pipe::Pipe;
use super::{Act, Broken, Item, caller, ensure};
use crate::function::session::Job;
use crate::function::session::{self, Session, Taken};
use crate::{Code, Context, Message, Status};

/// A handler that runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Handler {
    /// What belongs on its first message.
    context: Option<Context>,
    /// Items of the input that it has taken.
    seen: u8,
    expects_chunk: bool,
    /// Whether it has seen the end of the input.
    ended: bool,
    /// The failure of its input, of which it was told.
    failed: Option<Status>,
    /// What it has prepared.
    prepared: Option<(Item, Message)>,
    unfinished: bool,
    /// It waits to be woken.
    pub(super) sleeps: bool,
    /// What it gives is not taken any more.
    refused: Option<Status>,
}

impl Process {
    /// What a handler may do now. It waits to write while `blocked`.
    pub(super) fn acts(&self, handler: &Handler, call: u64, blocked: bool) -> Vec<Act> {
        if handler.sleeps {
            return Vec::new();
        }
        if handler.prepared.is_some() {
            return if blocked {
                Vec::new()
            } else {
                vec![Act::Write]
            };
        }
        let mut acts = vec![Act::Return { ok: true }, Act::Return { ok: false }];
        if !handler.ended && handler.failed.is_none() {
            acts.push(Act::Take);
        }
        if handler.refused.is_none() {
            let written = self.wire.get(&call).map_or(0, |wire| wire.written);
            let items = caller::choices(
                written,
                handler.unfinished,
                self.setup.items,
                self.setup.pieces,
            );
            let given = items
                .into_iter()
                .filter(|item| !matches!(item, Item::End | Item::Abort));
            acts.extend(given.map(Act::Prepare));
        }
        acts
    }

    pub(super) fn act(
        &mut self,
        call: u64,
        act: Act,
        sent: &caller::Caller,
        out: &mut Pipe,
    ) -> Result<(), Broken> {
        let mut handler = self.handlers.remove(&call).expect("a handler that runs");
        match act {
            Act::Take => handler.take(&mut self.session, call, sent)?,
            Act::Prepare(item) => match self.session.input_done(call) {
                Err(status) => handler.refused = Some(status),
                Ok(input_done) => {
                    let part = caller::part(item, self.wire[&call].written);
                    let message = Message {
                        call,
                        context: handler.context.clone(),
                        event: part.event,
                        chunk: part.chunk,
                        more: part.more,
                        end: part.end.filter(|_| input_done),
                        ..Message::default()
                    };
                    handler.prepared = Some((item, message));
                }
            },
            Act::Write => {
                let (item, message) = handler.prepared.take().expect("it was prepared");
                match self.session.commit(call, message.end.is_some()) {
                    Err(status) => handler.refused = Some(status),
                    Ok(()) => {
                        handler.context = None;
                        handler.unfinished = matches!(item, Item::First | Item::Chunk);
                        self.write(message, out)?;
                    }
                }
            }
            Act::Return { ok } => {
                let end = self.session.finish(call, handler.result(ok));
                if let Some(end) = end {
                    self.write(end, out)?;
                }
                return self.lead(out);
            }
        }
        self.handlers.insert(call, handler);
        // Room that was made is read into.
        self.lead(out)
    }

    /// What a handler does that takes its input and returns; or, if not `serves`, one that waits to be given up. None
    /// while it waits.
    pub(super) fn next_act(&mut self, call: u64, serves: bool) -> Option<Act> {
        let handler = &self.handlers[&call];
        if handler.sleeps {
            return None;
        }
        if handler.prepared.is_some() {
            return Some(Act::Write);
        }
        if handler.unfinished && handler.refused.is_none() {
            return Some(Act::Prepare(Item::LastChunk));
        }
        let told = handler.ended || handler.failed.is_some() || handler.refused.is_some();
        let given_up = self.session.give_up(call).is_some();
        match serves {
            true if told => Some(Act::Return { ok: true }),
            true => Some(Act::Take),
            false if given_up => Some(Act::Return { ok: true }),
            // At a concurrency of 1 what it does not take stands before the cancel that it waits for.
            false if !told && !self.session.may_read() => Some(Act::Take),
            false => {
                self.handlers.get_mut(&call)?.sleeps = true;
                None
            }
        }
    }
}

impl Handler {
    pub(super) fn new(job: Job) -> Self {
        Handler {
            context: job.context,
            ..Handler::default()
        }
    }

    /// Takes the next of the input, which is what the caller sent, in its order.
    fn take(
        &mut self,
        session: &mut Session,
        call: u64,
        sent: &caller::Caller,
    ) -> Result<(), Broken> {
        let n = self.seen;
        let more = match session.take(call, false) {
            Taken::Wait => {
                self.sleeps = true;
                return Ok(());
            }
            Taken::Item(session::Item::Event { event, more }) => {
                ensure!(
                    event.id() == n.to_string() && !self.expects_chunk,
                    "call {call}: took event {} for {n}",
                    event.id()
                );
                more
            }
            Taken::Item(session::Item::Chunk { bytes, more }) => {
                ensure!(
                    bytes[..] == [n] && self.expects_chunk,
                    "call {call}: took chunk {bytes:?} for {n}"
                );
                more
            }
            Taken::Item(session::Item::End) => {
                let whole = sent.closed == Some(Code::Ok) && sent.sent == n;
                ensure!(
                    whole,
                    "call {call}: its input ended after {n} of {} items",
                    sent.sent
                );
                self.ended = true;
                return Ok(());
            }
            Taken::Item(session::Item::Failed(status)) => {
                ensure!(!status.is_ok(), "call {call}: failed with OK");
                self.failed = Some(status);
                return Ok(());
            }
        };
        self.seen += 1;
        self.expects_chunk = more;
        ensure!(
            self.seen <= sent.sent,
            "call {call}: took more than was sent"
        );
        Ok(())
    }

    /// What the library makes of what the handler's code returned: `Call::run`.
    fn result(&self, ok: bool) -> Result<(), Status> {
        match (&self.failed, self.unfinished) {
            (Some(failed), _) if ok => Err(failed.clone()),
            (None, true) if ok => Err(Code::Internal.into()),
            _ if ok => Ok(()),
            _ => Err(Code::NotFound.into()),
        }
    }
}
