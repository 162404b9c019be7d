//! The host's state of an instance: a caller, a clock and a function do what the bytes say.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfaas::host::{Death, Exit, Limit, Notice, Part, Session, session::Options};
use libfaas::{
    Cancel, Code, Context, Encoding, Event, Hello, Limits, Message, MessageDecoder, Status,
    encode_message,
};

/// What a caller may rely on, whatever happens.
struct Caller {
    session: Session,
    encoding: Encoding,
    concurrency: usize,
    now: Instant,
    reader: MessageDecoder,
    /// Whether each call that was opened has ended.
    calls: BTreeMap<u64, bool>,
    /// Whether the host has finished its input for a call, by what it wrote.
    inputs: BTreeMap<u64, bool>,
    killed: bool,
}

/// Every call that is opened ends once and nothing follows, no number stands for two, no more are open than may be, and
/// what the host writes for a call ends once.
pub fn session(bytes: &[u8]) {
    let Some((&head, rest)) = bytes.split_first() else {
        return;
    };
    let encoding = Encoding::ALL[usize::from(head) % 3];
    let concurrency = 1 + usize::from(head >> 2 & 3);
    let large = head & 0x20 != 0;
    let now = Instant::now();
    let options = Options {
        spec: "1.0".into(),
        producer: "fuzz".into(),
        encoding,
        concurrency,
        chunks: head & 0x10 != 0,
        max_message_bytes: if large { 1 << 17 } else { 512 },
        max_event_bytes: (!large).then_some(64),
        max_output_bytes: Some(256),
        init: Duration::from_secs(10),
        cancel_grace: Duration::from_secs(1),
    };
    let mut caller = Caller {
        session: Session::new(options, now),
        encoding,
        concurrency,
        now,
        reader: MessageDecoder::new(encoding, Limits::default()),
        calls: BTreeMap::new(),
        inputs: BTreeMap::new(),
        killed: false,
    };
    let mut bytes = rest.iter().copied();
    while let (Some(step), Some(argument)) = (bytes.next(), bytes.next()) {
        caller.step(step, argument, &mut bytes);
        caller.look();
    }
    caller.session.ended(Death::new(Exit::Signal(9), ""));
    caller.look();
    assert!(caller.killed && caller.calls.values().all(|ended| *ended));
}

impl Caller {
    fn step(&mut self, step: u8, argument: u8, bytes: &mut impl Iterator<Item = u8>) {
        let call = u64::from(argument & 7);
        match step % 12 {
            0 | 1 => {
                let deadline = Duration::from_millis(u64::from(argument) * 10);
                let deadline = (argument & 1 == 0).then_some(self.now + deadline);
                let call = self.session.open(Context::default(), deadline);
                assert_eq!(self.calls.insert(call, false), None);
            }
            2 | 3 => self.session.send(call, part(argument)),
            4 => self.session.cancel(call, "r"),
            5 | 6 => {
                let Part {
                    event,
                    chunk,
                    more,
                    end,
                } = part(argument);
                let cancel = (step >= 240).then(Cancel::default);
                self.says(Message {
                    call,
                    event,
                    chunk,
                    more,
                    end,
                    cancel,
                    ..Message::default()
                });
            }
            7 => {
                let status = if argument > 240 {
                    Code::Internal
                } else {
                    Code::Ok
                }
                .into();
                let hello = Hello {
                    fsi: "1.0".into(),
                    producer: "f".into(),
                    status,
                };
                self.says(Message {
                    hello: Some(hello),
                    ..Message::default()
                });
            }
            8 => {
                let raw: Vec<u8> = bytes.take(argument.into()).collect();
                self.session.read(&raw, self.now);
            }
            9 => {
                self.now += Duration::from_millis(u64::from(argument) * 10);
                self.session.tick(self.now);
            }
            10 => match argument % 8 {
                0 => self.session.close(),
                1 => self.session.write_end(),
                _ => {}
            },
            _ => match argument {
                0..16 => self.session.read_end(self.now),
                16..32 => {
                    let limit = (argument & 1 == 0).then_some(Limit::Memory);
                    self.session.ended(Death {
                        limit,
                        ..Death::new(Exit::Code(1), "")
                    });
                }
                _ => {}
            },
        }
    }

    fn says(&mut self, message: Message) {
        let mut bytes = Vec::new();
        encode_message(&message, self.encoding, &mut bytes);
        self.session.read(&bytes, self.now);
    }

    /// Takes all that is to be written, in portions, and in one piece or in slices by turns.
    fn write(&mut self) {
        const PORTION: usize = 30_000;
        let mut turns = 0..;
        while self.session.unwritten() > 0 {
            let mut slices = [IoSlice::new(&[]); 3];
            let used = if turns.next() == Some(0) {
                slices[0] = IoSlice::new(self.session.outgoing());
                1
            } else {
                self.session.outgoing_slices(&mut slices)
            };
            let slices = slices[..used].iter().flat_map(|slice| slice.iter());
            let mut bytes: Vec<u8> = slices.copied().collect();
            bytes.truncate(PORTION);
            assert!(!bytes.is_empty() && bytes.len() <= self.session.unwritten());
            self.session.wrote(bytes.len());
            self.reader.push(&bytes);
        }
        assert!(self.session.outgoing().is_empty());
    }

    fn look(&mut self) {
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Part { call, part } => {
                    let ended = self.calls.get_mut(&call).expect("a call that was opened");
                    assert!(!*ended && (!self.killed || part.end.is_some()));
                    *ended = part.end.is_some();
                }
                Notice::Kill(_) => {
                    assert!(!self.killed);
                    self.killed = true;
                    assert!(self.calls.values().all(|ended| *ended));
                }
                Notice::Ready(_) | Notice::Retired => assert!(!self.killed),
            }
        }
        let live = self.calls.values().filter(|ended| !**ended).count();
        assert_eq!(self.session.live(), live);
        assert!(live <= self.concurrency && self.session.room() <= self.concurrency);
        self.write();
        while let Some(received) = self
            .reader
            .next()
            .expect("what the host writes is well-formed")
        {
            let Message {
                call, end, cancel, ..
            } = received.message;
            let ended = self.inputs.entry(call).or_default();
            assert!(!*ended || cancel.is_some());
            *ended |= end.is_some() || cancel.is_some();
        }
    }
}

/// A part of an input or an output, in order or not.
fn part(argument: u8) -> Part {
    let event = |data: &'static str| {
        let event = Event::builder("1", "/s", "t").datacontenttype("text/plain");
        event.data(data).build().expect("a valid event")
    };
    let end = |code: Code| Some(Status::from(code));
    match argument >> 3 & 15 {
        0 => Part::last(event("x")),
        1 => Part::event(event("\u{e9}")),
        2 => Part {
            event: Some(event("a")),
            more: true,
            ..Part::default()
        },
        3 => Part {
            chunk: Some((&b"\xC3"[..]).into()),
            more: true,
            ..Part::default()
        },
        4 => Part {
            chunk: Some((&b"\xA9"[..]).into()),
            ..Part::default()
        },
        5 => Part {
            chunk: Some((&b"xx"[..]).into()),
            end: end(Code::Ok),
            ..Part::default()
        },
        6 => Part {
            chunk: Some((&b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..]).into()),
            more: true,
            ..Part::default()
        },
        7 => Part::end(Status::ok()),
        8 => Part::end(Code::Aborted.into()),
        9 => Part {
            event: Some(event("a")),
            more: true,
            end: end(Code::Aborted),
            ..Part::default()
        },
        10 => Part::event(
            Event::builder("1", "/s", "t")
                .build()
                .expect("a valid event"),
        ),
        11 => Part::event(event("a longer piece of data, though not a long one")),
        12 => Part {
            more: true,
            ..Part::default()
        },
        // Large enough that its bytes are not copied, and for one message only with room for that.
        13 => Part::last(
            Event::builder("1", "/s", "t")
                .data(Bytes::from_static(&[0xFF; 40_000]))
                .build()
                .expect("a valid event"),
        ),
        _ => Part::default(),
    }
}
