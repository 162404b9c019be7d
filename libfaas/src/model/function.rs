//! The function's process: what its reader and the threads of its handlers do to the session, as `function/stream.rs` has
//! them do it.

use std::collections::BTreeMap;

use super::handler::Handler;
use super::pipe::Pipe;
use super::wire::Wire;
use super::{Broken, Fault, Setup, ensure, event};
use crate::function::session::{Effect, Session};
use crate::{Code, Hello, Limits, Message, MessageDecoder, Received, encode_message};

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) setup: Setup,
    decoder: MessageDecoder,
    greeted: bool,
    pub(super) session: Session,
    pub(super) handlers: BTreeMap<u64, Handler>,
    /// What was read and written of each call.
    pub(super) wire: BTreeMap<u64, Wire>,
    at_eof: bool,
    /// The input has ended, and how the process exits once its calls have.
    ended: Option<i32>,
    /// How the process has ended.
    pub(super) exit: Option<i32>,
}

/// How a killed process ends.
const KILLED: i32 = -9;
const MALFORMED: i32 = 65;

impl Process {
    pub(super) fn new(setup: &Setup) -> Self {
        Process {
            setup: setup.clone(),
            decoder: MessageDecoder::new(setup.encoding, Limits::default()),
            greeted: false,
            session: Session::new(setup.handlers, setup.hold),
            handlers: BTreeMap::new(),
            wire: BTreeMap::new(),
            at_eof: false,
            ended: None,
            exit: None,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.exit.is_none()
    }

    /// Nothing is kept of any call, and all were ended.
    pub(super) fn is_empty(&self) -> bool {
        self.session.is_idle() && self.session.open_calls() == 0 && self.is_settled()
    }

    fn is_settled(&self) -> bool {
        self.wire.values().all(Wire::is_settled)
    }

    pub(super) fn die(&mut self) {
        self.exit.get_or_insert(KILLED);
        self.handlers.clear();
    }

    fn leave(&mut self, exit: i32, out: &mut Pipe) {
        self.exit.get_or_insert(exit);
        self.handlers.clear();
        out.closed = true;
    }

    /// Without a hello of its input it says so in its own.
    fn leave_unheard(&mut self, out: &mut Pipe) -> Result<(), Broken> {
        let hello = Hello {
            fsi: "1.0".into(),
            status: Code::Unavailable.into(),
            ..Hello::default()
        };
        self.write(
            Message {
                hello: Some(hello),
                ..Message::default()
            },
            out,
        )?;
        self.leave(69, out);
        Ok(())
    }

    /// Bytes of stdin; None for its end.
    pub(super) fn read(&mut self, bytes: Option<&[u8]>, out: &mut Pipe) -> Result<(), Broken> {
        match bytes {
            Some(bytes) => self.decoder.push(bytes),
            None => {
                self.decoder.finish();
                self.at_eof = true;
            }
        }
        self.lead(out)
    }

    /// SIGTERM.
    pub(super) fn terminate(&mut self, out: &mut Pipe) -> Result<(), Broken> {
        if !self.greeted {
            return self.leave_unheard(out);
        }
        let mut effects = Vec::new();
        self.session.terminate(&mut effects);
        self.apply(effects, out)?;
        ensure!(
            self.is_settled(),
            "a call has no end, and the function exits"
        );
        self.leave(0, out);
        Ok(())
    }

    /// What whoever reads does until there is nothing more to do: jobs that may start come first.
    pub(super) fn lead(&mut self, out: &mut Pipe) -> Result<(), Broken> {
        while self.is_alive() {
            if let Some(job) = self.session.start_next() {
                let call = job.call;
                let running = self.handlers.insert(call, Handler::new(job));
                ensure!(running.is_none(), "call {call}: runs twice");
                ensure!(
                    self.handlers.len() <= self.setup.handlers,
                    "more calls run than may"
                );
                continue;
            }
            if let (Some(exit), true) = (self.ended, self.session.is_idle()) {
                ensure!(
                    self.is_settled(),
                    "a call has no end, and the function exits"
                );
                self.leave(exit, out);
                return Ok(());
            }
            if self.ended.is_some() || !self.session.may_read() {
                return Ok(());
            }
            match self.decoder.next() {
                Ok(Some(received)) => self.receive(received, out)?,
                Ok(None) if self.at_eof => self.drain(0, out)?,
                Ok(None) => return Ok(()),
                Err(violation) if violation.is_cut() => self.drain(MALFORMED, out)?,
                Err(violation) => return Err(format!("the function can't read: {violation}")),
            }
        }
        Ok(())
    }

    fn drain(&mut self, exit: i32, out: &mut Pipe) -> Result<(), Broken> {
        if !self.greeted {
            return self.leave_unheard(out);
        }
        self.ended = Some(exit);
        let mut effects = Vec::new();
        self.session.end_of_input(&mut effects);
        self.apply(effects, out)
    }

    fn receive(&mut self, received: Received, out: &mut Pipe) -> Result<(), Broken> {
        let mut message = received.message;
        ensure!(
            received.invalid_event.is_none(),
            "the host wrote an invalid event"
        );
        if let Some(hello) = message.hello {
            self.greeted = true;
            return self.write(
                Message {
                    hello: Some(hello),
                    ..Message::default()
                },
                out,
            );
        }
        let call = message.call;
        self.wire.entry(call).or_default().hear(&message)?;
        match self.setup.fault {
            Some(Fault::LoseCancel) => message.cancel = None,
            Some(Fault::LoseInputEnd) => message.end = None,
            Some(Fault::RepeatInput) => self.hear(message.clone(), out)?,
            _ => {}
        }
        self.hear(message, out)
    }

    fn hear(&mut self, message: Message, out: &mut Pipe) -> Result<(), Broken> {
        let mut effects = Vec::new();
        let heard = self.session.receive(message, None, &mut effects);
        heard.map_err(|malformed| format!("the function can't follow: {malformed}"))?;
        self.apply(effects, out)
    }

    fn apply(&mut self, effects: Vec<Effect>, out: &mut Pipe) -> Result<(), Broken> {
        for effect in effects {
            match effect {
                Effect::Write(message) => self.write(message, out)?,
                Effect::Wake(call) => {
                    if let Some(handler) = self.handlers.get_mut(&call) {
                        handler.sleeps = false;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a message, and holds it against what a function may write.
    pub(super) fn write(&mut self, mut message: Message, out: &mut Pipe) -> Result<(), Broken> {
        let (call, fault) = (message.call, self.setup.fault);
        if fault == Some(Fault::LoseEnd) && message.end.take().is_some() && message.is_empty() {
            return Ok(());
        }
        if fault == Some(Fault::LoseEvent) && message.event.take().is_some() {
            self.wire.entry(call).or_default().written += 1;
            if message.is_empty() {
                return Ok(());
            }
        }
        self.put(&message, out)?;
        match fault {
            Some(Fault::EndTwice) if message.end.is_some() => self.put(&message, out),
            Some(Fault::SpeakAfterEnd) if message.end.is_some() => {
                let late = Message {
                    call,
                    event: Some(event(0)),
                    ..Message::default()
                };
                self.put(&late, out)
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, message: &Message, out: &mut Pipe) -> Result<(), Broken> {
        let call = message.call;
        match self.wire.get_mut(&call) {
            Some(wire) => wire.say(message)?,
            None => ensure!(
                call == 0,
                "call {call}: {message:?} for a call that was not opened"
            ),
        }
        let mut bytes = Vec::new();
        encode_message(message, self.setup.encoding, &mut bytes);
        out.write(&bytes);
        Ok(())
    }
}
