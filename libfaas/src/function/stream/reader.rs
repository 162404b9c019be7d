//! The one who reads: waits, decodes, and keeps the session's state.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::super::exit::Exit;
use super::super::io::append;
use super::super::session::Effect;
use super::output::Output;
use super::wake::{CLOSED, Wake};
use super::{Shared, Start, State};
use crate::{Environment, Hello, MessageDecoder, Received};

pub(super) struct Reader {
    input: OwnedFd,
    decoder: MessageDecoder,
    /// Kept for its memory.
    effects: Vec<Effect>,
    at_eof: bool,
    /// How the process ends once its calls have, when the input has ended.
    ended: Option<Exit>,
}

/// How a turn at reading ends.
pub(super) enum Turn {
    Run(Start),
    /// What is kept of the output is to be written before one waits.
    Flush,
    Exit(Exit),
}

/// What may happen before the input's hello.
enum Event {
    Readable,
    Terminated,
    OutputClosed,
}

impl Reader {
    pub(super) fn new(input: OwnedFd, environment: &Environment) -> Self {
        let decoder = MessageDecoder::new(environment.encoding, environment.limits());
        Reader {
            input,
            decoder,
            effects: Vec::new(),
            at_eof: false,
            ended: None,
        }
    }

    /// The hello of the input, None if it ends before one.
    pub(super) fn hello(&mut self, output: &Output, wake: &Wake) -> Result<Option<Hello>, Exit> {
        loop {
            match self.decoder.next() {
                Ok(Some(Received { message, .. })) => return Ok(message.hello),
                Ok(None) if self.at_eof => return Ok(None),
                Ok(None) => {}
                Err(violation) => return Err(Exit::malformed(&violation)),
            }
            match self.wait(output, wake)? {
                Event::Readable => self.fill()?,
                Event::Terminated => return Ok(None),
                Event::OutputClosed => return Err(Exit::BrokenPipe),
            }
        }
    }

    /// Reads until a call can start or the process may end. The call that its thread has `written`
    /// the end of is over.
    pub(super) fn lead(&mut self, shared: &Shared, written: Option<u64>) -> Turn {
        self.try_lead(shared, written).unwrap_or_else(Turn::Exit)
    }

    fn try_lead(&mut self, shared: &Shared, written: Option<u64>) -> Result<Turn, Exit> {
        let mut state = shared.state();
        state.forget(written);
        loop {
            if let Some(exit) = &state.exit {
                return Err(exit.clone());
            }
            if let Some(start) = state.start() {
                // Whoever comes after this call is in time to write its end too.
                shared.output.expect_more(self.decoder.pending() > 0);
                return Ok(Turn::Run(start));
            }
            if let (Some(exit), true) = (&self.ended, state.session.is_idle()) {
                let exit = exit.clone();
                drop(state);
                // The last handler may not have written yet what it is to write.
                drop(shared.output.lock());
                return Err(exit);
            }
            let reading = self.ended.is_none() && state.session.may_read();
            if reading {
                drop(state);
                state = loop {
                    if let Some(state) = self.step(shared)? {
                        break state;
                    }
                    if shared.output.wants_flush() {
                        return Ok(Turn::Flush);
                    }
                    match &shared.interrupt {
                        // There is an exit to be seen.
                        Some(interrupt) if interrupt.wait_or_readable(self.input.as_fd()) => {
                            break shared.state();
                        }
                        _ => self.fill()?,
                    }
                };
            } else if shared.output.wants_flush() {
                return Ok(Turn::Flush);
            } else {
                state.paused = true;
                let resumed = shared.resumed.wait(state);
                state = resumed.unwrap_or_else(PoisonError::into_inner);
                state.paused = false;
            }
        }
    }

    /// Applies the next message that was read, if there is one. What is to be done next depends on
    /// the state, which comes back locked.
    fn step<'a>(&mut self, shared: &'a Shared) -> Result<Option<MutexGuard<'a, State>>, Exit> {
        let received = match self.decoder.next() {
            Ok(Some(received)) => received,
            Ok(None) if self.at_eof => {
                self.drain(shared, Exit::Done);
                return Ok(Some(shared.state()));
            }
            Ok(None) => return Ok(None),
            Err(violation) if violation.is_cut() => {
                self.drain(shared, Exit::malformed(&violation));
                return Ok(Some(shared.state()));
            }
            Err(violation) => return Err(Exit::malformed(&violation)),
        };
        let Received {
            message,
            invalid_event,
        } = received;
        let invalid = invalid_event.map(|violation| violation.to_string());
        let mut output = message.cancel.is_some().then(|| shared.output.lock());
        let effects = &mut self.effects;
        let mut state = shared.state();
        let applied = state.session.receive(message, invalid, effects);
        applied.map_err(|malformed| Exit::malformed(&malformed))?;
        if !effects.is_empty() {
            // Nothing is written under the lock of the state.
            drop(state);
            // A call that is refused has no handler that could write before.
            let refused = effects.iter().any(|one| matches!(one, Effect::Write(_)));
            if refused && output.is_none() {
                output = Some(shared.output.lock());
            }
            shared.apply(effects, output.as_mut());
            state = shared.state();
        }
        Ok(Some(state))
    }

    /// The input has ended: what can be finished is.
    fn drain(&mut self, shared: &Shared, exit: Exit) {
        self.ended = Some(exit);
        shared.state().session.end_of_input(&mut self.effects);
        shared.apply(&mut self.effects, None);
    }

    /// Reads what there is, and waits for something. At the end of the input the decoder is told so.
    fn fill(&mut self) -> Result<(), Exit> {
        match append(&self.input, self.decoder.buffer()) {
            Ok(0) => {
                self.decoder.finish();
                self.at_eof = true;
            }
            Ok(_) => {}
            Err(error) => return Err(Exit::broken("reading stdin", error)),
        }
        Ok(())
    }

    /// Before the hello nobody else sees to signals and to the output.
    fn wait(&self, output: &Output, wake: &Wake) -> Result<Event, Exit> {
        // A closed output is reported whatever one waits for.
        let mut fds = [
            PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty()),
            PollFd::new(&self.input, PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Exit::broken("waiting for stdin", error.into())),
            }
        }
        Ok(match () {
            () if wake.is_terminated() => Event::Terminated,
            () if fds[1].revents().intersects(CLOSED) => Event::OutputClosed,
            () => Event::Readable,
        })
    }
}
