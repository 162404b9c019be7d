//! Calls in stream mode, each of which has to be answered rightly.

use std::collections::BTreeMap;

use libfaas::{
    Context, Data, Encoding, Event, Hello, Limits, Message, MessageDecoder, Received, Status,
    encode_message,
};

use super::link::{Launch, Link};
use crate::error::Result;
use crate::expect::PRODUCER;

/// Bytes that it may write before a call ends.
const FLOOD: usize = 256 << 20;

/// A subject in stream mode.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    decoder: MessageDecoder,
    encoding: Encoding,
    /// The number of the call that was opened last.
    call: u64,
    open: BTreeMap<u64, Vec<Event>>,
    hello: Option<Hello>,
    /// Bytes read since a call ended.
    unanswered: usize,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) events: Vec<Event>,
}

impl Answer {
    /// Whether it is the event that was sent.
    pub(super) fn is_echo_of(&self, event: &Event) -> bool {
        match &self.events[..] {
            [answer] => answer.id() == event.id() && content(answer) == content(event),
            _ => false,
        }
    }
}

fn content(event: &Event) -> Option<&[u8]> {
    event.data().map(Data::as_bytes)
}

impl Client {
    /// Bytes that a call of this event has on the wire.
    pub(super) fn size_of_call(event: &Event, encoding: Encoding) -> usize {
        let mut bytes = Vec::new();
        encode_message(&message(1000, event), encoding, &mut bytes);
        bytes.len()
    }

    /// Starts it, and says hello; what it says is waited for later.
    pub(super) fn start(launch: Launch, encoding: Encoding) -> Result<Client> {
        let mut client = Client {
            link: Link::start(launch)?,
            decoder: MessageDecoder::new(encoding, Limits::default()),
            encoding,
            call: 0,
            open: BTreeMap::new(),
            hello: None,
            unanswered: 0,
        };
        client.say(&Message {
            hello: Some(Hello {
                fsi: "1.0".to_owned(),
                producer: PRODUCER.to_owned(),
                status: Status::ok(),
            }),
            ..Message::default()
        });
        Ok(client)
    }

    /// Waits for its hello.
    pub(super) fn hello(&mut self) -> Result<Hello> {
        loop {
            self.decode()?;
            if let Some(hello) = &self.hello {
                return Ok(hello.clone());
            }
            self.read()?;
        }
    }

    /// Opens a call of this event; it is on its way with the next turn.
    pub(super) fn open(&mut self, event: &Event) {
        self.call += 1;
        self.open.insert(self.call, Vec::new());
        if self.open.len() == 1 {
            self.link.be_patient();
        }
        self.say(&message(self.call, event));
    }

    /// Waits until a call ends.
    pub(super) fn answer(&mut self) -> Result<Answer> {
        loop {
            if let Some(answer) = self.decode()? {
                self.link.be_patient();
                self.unanswered = 0;
                return Ok(answer);
            }
            self.read()?;
        }
    }

    /// One call.
    pub(super) fn call(&mut self, event: &Event) -> Result<Answer> {
        self.open(event);
        self.answer()
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn say(&mut self, message: &Message) {
        encode_message(message, self.encoding, self.link.outgoing());
    }

    fn read(&mut self) -> Result<()> {
        let bytes = self.link.turn()?;
        self.unanswered += bytes.len();
        self.decoder.push(bytes);
        if self.unanswered > FLOOD {
            let most = FLOOD >> 20;
            return Err(self
                .link
                .refuse(&format!("it wrote {most} MiB without ending a call")));
        }
        Ok(())
    }

    /// The end of a call among what has been read.
    fn decode(&mut self) -> Result<Option<Answer>> {
        loop {
            let received = match self.decoder.next() {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(None),
                Err(violation) => {
                    return Err(self
                        .link
                        .refuse(&format!("its stdout is no stream of messages: {violation}")));
                }
            };
            if let Some(answer) = self.take(received)? {
                return Ok(Some(answer));
            }
        }
    }

    fn take(&mut self, received: Received) -> Result<Option<Answer>> {
        let Message {
            call,
            event,
            end,
            hello,
            ..
        } = received.message;
        if let Some(violation) = received.invalid_event {
            return Err(self.link.refuse(&format!(
                "it answered call {call} with no valid event: {violation}"
            )));
        }
        if let Some(hello) = hello {
            if !hello.status.is_ok() {
                return Err(self
                    .link
                    .refuse(&format!("its hello says {}", hello.status)));
            }
            self.hello = Some(hello);
            return Ok(None);
        }
        let Some(events) = self.open.get_mut(&call) else {
            let last = self.call;
            return match call {
                0 => Ok(None),
                _ => Err(self.link.refuse(&format!(
                    "it answered call {call}, which is not open (the last one opened is {last})"
                ))),
            };
        };
        events.extend(event);
        let Some(status) = end else { return Ok(None) };
        let events = self.open.remove(&call).unwrap_or_default();
        Ok(Some(Answer { status, events }))
    }
}

/// A call that is whole with its first message.
fn message(call: u64, event: &Event) -> Message {
    Message {
        call,
        context: Some(Context {
            attempt: 1,
            ..Context::default()
        }),
        event: Some(event.clone()),
        end: Some(Status::ok()),
        ..Message::default()
    }
}
