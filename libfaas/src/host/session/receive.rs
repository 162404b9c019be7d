//! What comes out of calls: messages become parts.

use std::time::Instant;

use super::call::{Input, Read, event_bytes, text_of};
use super::{Notice, Part, Phase, Session, Timer};
use crate::{Code, Hello, Message, Received, Status, Violation};

/// What is kept of a message that no call has asked for (`limit-foreign`).
const FOREIGN: usize = 65_536;

/// Why the stream has lost its place.
type Malformed = String;

/// Why an event, or its data so far, is no valid output.
type Invalid = String;

impl Session {
    /// Where what stdout has may be read to, instead of giving it to [`read`](Self::read): what is
    /// appended here is not copied once more. Then `read` is called with no bytes.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.decoder.buffer()
    }

    /// Takes what stdout had.
    pub fn read(&mut self, bytes: &[u8], now: Instant) {
        self.timers.at(now);
        if matches!(self.phase, Phase::Starting | Phase::Ready) {
            self.decoder.push(bytes);
            self.drain_decoder();
            let foreign = self.calls.is_empty() && self.decoder.pending() > FOREIGN;
            if foreign && self.phase != Phase::Over {
                self.malformed(format!(
                    "expected nothing while no call is open, got a message of more than {FOREIGN} bytes (rule limit-foreign)"
                ));
            }
        }
        if self.live == 0 {
            self.decoder.trim();
            self.outgoing.trim();
        }
        self.start_graces();
    }

    /// Stdout has ended. Read it to its end, or to where it would block, before
    /// [`ended`](Self::ended).
    pub fn read_end(&mut self, now: Instant) {
        /// How long the process may take to follow its stdout: then its death says more than that.
        const FOLLOWS: std::time::Duration = std::time::Duration::from_millis(250);
        self.timers.at(now);
        if !matches!(self.phase, Phase::Starting | Phase::Ready) {
            return;
        }
        self.decoder.finish();
        self.drain_decoder();
        if self.phase == Phase::Over {
            return;
        }
        let was_ready = self.phase == Phase::Ready;
        self.phase = Phase::Ending { was_ready };
        if !self.closed || self.live > 0 {
            let due = self.timers.after(FOLLOWS);
            self.timers.set(None, Some(due), Timer::Death);
        }
    }

    pub(super) fn drain_decoder(&mut self) {
        loop {
            // What it holds is taken out of it where it is: a message is not small.
            let mut next = self.decoder.next();
            let applied = match &mut next {
                Ok(None) => return,
                Ok(Some(received)) => self.receive(received),
                // A stream that ends inside a message may do so because the process was killed: how
                // it died is known later.
                Err(violation) if violation.is_cut() => {
                    self.cut = Some(violation.to_string());
                    return;
                }
                Err(violation) => Err(violation.to_string()),
            };
            if let Err(malformed) = applied {
                return self.malformed(malformed);
            }
            if self.phase == Phase::Over {
                return;
            }
        }
    }

    fn receive(&mut self, received: &mut Received) -> Result<(), Malformed> {
        let Received {
            message,
            invalid_event,
        } = received;
        if let Some(hello) = message.hello.take() {
            self.greeted(hello);
            return Ok(());
        }
        let (call, ended) = (message.call, message.end.is_some());
        // Of a call that the function can't know, or that is not open any more: an answer that is
        // wrong, or late. It is dropped.
        let Some(state) = self.calls.get_mut(&call).filter(|state| state.begun) else {
            return Ok(());
        };
        if state.over {
            if ended {
                self.forget(call);
            }
            return Ok(());
        }
        let output = state.read.take(message, invalid_event.as_ref())?;
        let too_much = output.is_ok()
            && self
                .options
                .max_output_bytes
                .is_some_and(|limit| state.read.bytes > limit);
        let fault = match output {
            Err(reason) => Some(Status::new(Code::Internal, reason)),
            Ok(()) if too_much => {
                let message = format!(
                    "the call wrote more than the function's limit of {} bytes",
                    self.options.max_output_bytes.unwrap_or_default()
                );
                Some(Status::new(Code::ResourceExhausted, message))
            }
            Ok(()) => None,
        };
        if ended {
            self.finish(call);
        }
        if let Some(status) = fault {
            let reason = if too_much {
                "too much output"
            } else {
                "invalid output"
            };
            if ended {
                self.tell_end(call, status);
            } else {
                self.end_early(call, reason, status);
            }
            return Ok(());
        }
        let part = Part {
            event: message.event.take(),
            chunk: message.chunk.take(),
            more: message.more,
            end: message.end.take(),
        };
        // A message with nothing but a context, or a cancel that comes back, is no part.
        if part.event.is_none() && part.chunk.is_none() && part.end.is_none() {
            return Ok(());
        }
        self.notices.push_back(Notice::Part { call, part });
        if ended {
            self.count_end();
        }
        Ok(())
    }

    fn greeted(&mut self, hello: Hello) {
        if !hello.status.is_ok() {
            return self.die(hello.status);
        }
        let major = |version: &str| version.split('.').next().map(str::to_owned);
        if major(&hello.fsi) != major(&self.options.spec) {
            let message = format!(
                "expected a function of version {}, got a hello of version {:?} (rule hello-version)",
                self.options.spec, hello.fsi
            );
            return self.die(Status::new(Code::FailedPrecondition, message));
        }
        self.phase = Phase::Ready;
        let init = self.timers.init();
        self.timers.set(init, None, Timer::Init);
        // Those that were given up before may take their time from now on.
        let waiting = self
            .calls
            .iter()
            .filter(|(_, state)| state.over && state.due.is_none());
        let waiting: Vec<u64> = waiting.map(|(&call, _)| call).collect();
        waiting
            .into_iter()
            .for_each(|call| self.timers.set_later(call));
        self.notices.push_back(Notice::Ready(hello));
    }

    /// The function has ended a call. Its input ends too (`stream-early-end-host`): by a cancel,
    /// since it was not complete, so that no earlier stage takes it for a whole one.
    fn finish(&mut self, call: u64) {
        if self
            .calls
            .get(&call)
            .is_some_and(|state| state.input == Input::Open)
        {
            self.write_cancel(call, "the call has ended");
        }
        self.forget(call);
    }
}

impl Read {
    /// Checks a message against what came before it, and counts.
    fn take(
        &mut self,
        message: &Message,
        invalid: Option<&Violation>,
    ) -> Result<Result<(), Invalid>, Malformed> {
        let call = message.call;
        let out_of_order = |expected: &str, came: &str, rule: &str| {
            Err(format!(
                "call {call}: expected {expected}, got {came} (rule {rule})"
            ))
        };
        let begins = message.event.is_some() || invalid.is_some();
        if begins && self.unfinished {
            return out_of_order(
                "the rest of the event before",
                "another event",
                "chunk-event-unfinished",
            );
        }
        if message.chunk.is_some() && (begins || !self.unfinished) {
            return out_of_order(
                "an event with `more` before it",
                "a chunk",
                "chunk-without-event",
            );
        }
        if begins || message.chunk.is_some() {
            self.unfinished = message.more;
        }
        let ended_well = message.end.as_ref().is_some_and(Status::is_ok);
        if ended_well && self.unfinished {
            return out_of_order("the rest of an event", "`end` OK", "chunk-end-unfinished");
        }
        if let Some(violation) = invalid {
            return Ok(Err(violation.to_string()));
        }
        if let Some(event) = &message.event {
            self.bytes += event_bytes(event);
            self.text = if message.more { text_of(event) } else { None };
        }
        let piece = message.chunk.as_deref();
        self.bytes += piece.map_or(0, |piece| piece.len() as u64);
        let text = match (&mut self.text, piece) {
            (Some(text), Some(piece)) => text.push(piece) && (self.unfinished || text.is_whole()),
            _ => true,
        };
        Ok(if text {
            Ok(())
        } else {
            Err(format!(
                "call {call}: expected UTF-8 in all pieces together (rule chunk-text)"
            ))
        })
    }
}
