//! The one who reads: waits, decodes, and keeps the session's state.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::super::exit::Exit;
use super::super::io::read;
use super::super::session::Job;
use super::Shared;
use super::output::Output;
use super::wake::Wake;
use crate::{Environment, Hello, MessageDecoder, Received};

/// Bytes asked for in one read: what a pipe holds on Linux.
const READ: usize = 64 << 10;

pub(super) struct Reader {
    input: OwnedFd,
    decoder: MessageDecoder,
    buffer: Vec<u8>,
    at_eof: bool,
    /// How the process ends once its calls have, when the input has ended.
    ended: Option<Exit>,
}

/// How a turn at reading ends.
pub(super) enum Turn {
    Run(Job),
    Exit(Exit),
}

enum Event {
    Readable,
    Woken,
    Terminated,
    OutputClosed,
}

impl Reader {
    pub(super) fn new(input: OwnedFd, environment: &Environment) -> Self {
        let decoder = MessageDecoder::new(environment.encoding, environment.limits());
        Reader {
            input,
            decoder,
            buffer: vec![0; READ],
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
            match self.wait(true, output, wake)? {
                Event::Readable => self.fill()?,
                Event::Woken => wake.clear(),
                Event::Terminated => return Ok(None),
                Event::OutputClosed => return Err(Exit::BrokenPipe),
            }
        }
    }

    /// Reads until a call can start or the process may end.
    pub(super) fn lead(&mut self, shared: &Shared) -> Turn {
        self.try_lead(shared).unwrap_or_else(Turn::Exit)
    }

    fn try_lead(&mut self, shared: &Shared) -> Result<Turn, Exit> {
        let mut effects = Vec::new();
        loop {
            let reading = {
                let mut state = shared.state();
                if let Some(exit) = &state.exit {
                    return Err(exit.clone());
                }
                if let Some(job) = state.session.start_next() {
                    return Ok(Turn::Run(job));
                }
                if let (Some(exit), true) = (&self.ended, state.session.is_idle()) {
                    return Err(exit.clone());
                }
                let reading = self.ended.is_none() && state.session.may_read();
                state.paused = !reading;
                reading
            };
            if reading && self.step(shared, &mut effects)? {
                continue;
            }
            match self.wait(reading, &shared.output, &shared.wake)? {
                Event::Readable => self.fill()?,
                Event::Woken => shared.wake.clear(),
                Event::OutputClosed => return Err(Exit::BrokenPipe),
                Event::Terminated => {
                    let mut output = shared.output.lock();
                    shared.state().session.terminate(&mut effects);
                    shared.apply(&mut effects, Some(&mut output));
                    return Err(Exit::Done);
                }
            }
        }
    }

    /// Applies the next message that was read, if there is one.
    fn step(&mut self, shared: &Shared, effects: &mut Vec<super::Effect>) -> Result<bool, Exit> {
        let received = match self.decoder.next() {
            Ok(Some(received)) => received,
            Ok(None) if self.at_eof => {
                self.drain(shared, effects, Exit::Done);
                return Ok(true);
            }
            Ok(None) => return Ok(false),
            Err(violation) if violation.is_cut() => {
                self.drain(shared, effects, Exit::malformed(&violation));
                return Ok(true);
            }
            Err(violation) => return Err(Exit::malformed(&violation)),
        };
        let Received {
            message,
            invalid_event,
        } = received;
        let invalid = invalid_event.map(|violation| violation.to_string());
        let mut output = message.cancel.is_some().then(|| shared.output.lock());
        let applied = shared.state().session.receive(message, invalid, effects);
        applied.map_err(|malformed| Exit::malformed(&malformed))?;
        shared.apply(effects, output.as_mut());
        Ok(true)
    }

    /// The input has ended: what can be finished is.
    fn drain(&mut self, shared: &Shared, effects: &mut Vec<super::Effect>, exit: Exit) {
        self.ended = Some(exit);
        shared.state().session.end_of_input(effects);
        shared.apply(effects, None);
    }

    /// Reads what there is. At the end of the input the decoder is told so.
    fn fill(&mut self) -> Result<(), Exit> {
        match read(&self.input, &mut self.buffer) {
            Ok(0) => {
                self.decoder.finish();
                self.at_eof = true;
            }
            Ok(count) => self.decoder.push(&self.buffer[..count]),
            Err(error) => return Err(Exit::broken("reading stdin", error)),
        }
        Ok(())
    }

    fn wait(&self, reading: bool, output: &Output, wake: &Wake) -> Result<Event, Exit> {
        // A closed output is reported whatever one waits for.
        let input = if reading {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        let mut fds = [
            PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty()),
            PollFd::new(&self.input, input),
        ];
        let polled = if reading { &mut fds[..] } else { &mut fds[..2] };
        loop {
            match poll(polled, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Exit::broken("waiting for stdin", error.into())),
            }
        }
        let closed = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        Ok(match () {
            () if wake.is_terminated() => Event::Terminated,
            () if polled[1].revents().intersects(closed) => Event::OutputClosed,
            () if polled[0].revents().contains(PollFlags::IN) => Event::Woken,
            () => Event::Readable,
        })
    }
}
