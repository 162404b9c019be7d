//! Messages, documents and bytes on their way between two programs, and what can be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use libfaas::{Code, Encoding, Limits, Message, Status, encode_message};
use serde_json::Value;

/// What a fault does to what passes. What it leaves out passes as it should.
#[derive(Clone, Copy)]
pub(super) struct Wiring {
    /// In stream mode: what happens becomes what is done.
    pub(super) stream: Option<fn(&mut Memory, Seen) -> Vec<Do>>,
    /// In the other modes: all of stdin.
    pub(super) stdin: Option<fn(&mut Vec<u8>)>,
    /// In the other modes: a write to stdin failed since nobody reads it. Whether the process has
    /// failed for it.
    pub(super) epipe_fails: bool,
    /// In the other modes: whether the end of stdout is waited for, and not that of the process.
    pub(super) waits_for_eof: bool,
    /// In stream mode: whether the process seems to live on when it has ended, until its stdin ends.
    pub(super) lives_on: bool,
    /// Whether what stands between goes when the other side does.
    pub(super) dies_together: bool,
    /// What happens to stderr.
    pub(super) stderr: Stderr,
    /// How the process ended becomes how it seems to have ended.
    pub(super) exit: Option<fn(&Memory, Ending, &super::Place) -> Ending>,
    /// Whether SIGTERM is passed on.
    pub(super) terminates: bool,
    /// Whether stdout is read while stdin is being written.
    pub(super) reads_while_writing: bool,
    /// Whether it applies in these modes (`FAAS_MODE`) and at this stage.
    pub(super) applies: fn(&super::Place) -> bool,
}

/// What happens to stderr.
#[derive(Clone, Copy)]
pub(super) enum Stderr {
    /// It is inherited.
    Right,
    /// It is a pipe that nobody reads.
    Unread,
    /// What is said at the end of it all.
    Whole(fn(Vec<u8>) -> Vec<u8>),
    /// Line by line.
    Lines(fn(&str) -> String),
}

impl Wiring {
    /// Nothing is wrong.
    pub(super) const RIGHT: Wiring = Wiring {
        stream: None,
        stdin: None,
        epipe_fails: false,
        waits_for_eof: false,
        lives_on: false,
        dies_together: true,
        stderr: Stderr::Right,
        exit: None,
        terminates: true,
        reads_while_writing: true,
        applies: |_| true,
    };
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// Something that happens in stream mode. Down is towards the function, up is towards its caller.
pub(super) enum Seen {
    Down(Frame),
    Up(Frame),
    /// Nothing more comes from the caller.
    DownEnd,
    /// Nothing more comes from the function; what is left is no whole message.
    UpEnd(Vec<u8>),
    /// The function has ended.
    Exit(Ending),
    /// Now and then.
    Tick,
}

/// Something that is done.
pub(super) enum Do {
    Down(Frame),
    Up(Frame),
    /// Closes the function's stdin.
    EndDown,
    /// Closes stdout.
    EndUp,
    /// Kills the function.
    Kill,
}

impl Seen {
    /// What is done where nothing is wrong.
    pub(super) fn pass(self) -> Vec<Do> {
        match self {
            Seen::Down(frame) => vec![Do::Down(frame)],
            Seen::Up(frame) => vec![Do::Up(frame)],
            Seen::DownEnd => vec![Do::EndDown],
            Seen::UpEnd(rest) => vec![Do::Up(Frame::raw(rest)), Do::EndUp],
            Seen::Exit(_) | Seen::Tick => vec![],
        }
    }
}

/// A message with its delimiter, or bytes that are none.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) message: Option<Message>,
    /// The message's event is invalid, and therefore not in it.
    pub(super) invalid: bool,
    raw: Vec<u8>,
}

impl Frame {
    pub(super) fn raw(raw: Vec<u8>) -> Frame {
        Frame {
            message: None,
            invalid: false,
            raw,
        }
    }

    pub(super) fn of(message: Message) -> Frame {
        Frame {
            message: Some(message),
            invalid: false,
            raw: Vec::new(),
        }
    }

    /// An `end`.
    pub(super) fn end(call: u64, status: Status) -> Frame {
        Frame::of(Message {
            call,
            end: Some(status),
            ..Message::default()
        })
    }

    /// Changes the message, if it is one.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Message)) {
        if let Some(message) = &mut self.message {
            let before = message.clone();
            change(message);
            if *message != before {
                self.raw.clear();
            }
        }
    }

    /// Changes the JSON object that a message is in that encoding; also where its event is invalid.
    pub(super) fn edit_json(&mut self, change: impl FnOnce(&mut Value)) {
        let Ok(mut value) = serde_json::from_slice::<Value>(&self.raw) else {
            return;
        };
        let before = value.clone();
        change(&mut value);
        // Looking for a member that is not there may have made one.
        if let Some(members) = value.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        if value != before {
            let line = format!("{value}\n").into_bytes();
            *self = Frame::read(line, Encoding::Json);
        }
    }

    pub(super) fn call(&self) -> u64 {
        self.message.as_ref().map_or(0, |message| message.call)
    }

    pub(super) fn ends(&self) -> bool {
        self.message.as_ref().is_some_and(|m| m.end.is_some())
    }

    pub(super) fn end_code(&self) -> Option<Code> {
        Some(self.message.as_ref()?.end.as_ref()?.code)
    }

    pub(super) fn cancels(&self) -> bool {
        self.message.as_ref().is_some_and(|m| m.cancel.is_some())
    }

    pub(super) fn has_event(&self) -> bool {
        self.message.as_ref().is_some_and(|m| m.event.is_some())
    }

    pub(super) fn says_hello(&self) -> bool {
        self.message.as_ref().is_some_and(|m| m.hello.is_some())
    }

    fn read(raw: Vec<u8>, encoding: Encoding) -> Frame {
        let limits = Limits {
            max_message_bytes: usize::MAX,
            ..Limits::default()
        };
        let body = &raw[delimiter(&raw, encoding)..];
        let body = match encoding {
            Encoding::Json => body.strip_suffix(b"\n").unwrap_or(body),
            _ => body,
        };
        let read = Message::decode(body.to_vec(), encoding, &limits);
        match read {
            Ok(received) => Frame {
                message: Some(received.message),
                invalid: received.invalid_event.is_some(),
                raw,
            },
            Err(_) => Frame::raw(raw),
        }
    }

    pub(super) fn into_bytes(self, encoding: Encoding) -> Vec<u8> {
        match self.message {
            Some(message) if self.raw.is_empty() => {
                let mut bytes = Vec::new();
                encode_message(&message, encoding, &mut bytes);
                bytes
            }
            _ => self.raw,
        }
    }
}

/// Takes the whole messages out of what has been read.
pub(super) fn frames(buffer: &mut Vec<u8>, encoding: Encoding) -> Vec<Frame> {
    let (mut frames, mut taken) = (Vec::new(), 0);
    while let Some(length) = length(&buffer[taken..], encoding) {
        let raw = buffer[taken..taken + length].to_vec();
        taken += length;
        frames.push(Frame::read(raw, encoding));
    }
    buffer.drain(..taken);
    frames
}

/// Bytes of the first message with its delimiter, if it is whole.
fn length(bytes: &[u8], encoding: Encoding) -> Option<usize> {
    let length = match encoding {
        Encoding::Json => bytes.iter().position(|&b| b == b'\n')? + 1,
        Encoding::Protobuf => {
            let (length, prefix) = varint(bytes)?;
            prefix.checked_add(length)?
        }
        Encoding::Capnp => {
            let word = |at: usize| {
                let bytes = bytes.get(at..at + 4)?;
                Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
            };
            let segments = word(0)?.checked_add(1).filter(|&n| n <= 512)?;
            let table = (4 + 4 * segments).next_multiple_of(8);
            let words: Option<usize> = (0..segments).map(|n| word(4 + 4 * n)).sum();
            table.checked_add(words?.checked_mul(8)?)?
        }
    };
    (length <= bytes.len()).then_some(length)
}

/// Bytes before the message itself.
fn delimiter(raw: &[u8], encoding: Encoding) -> usize {
    match encoding {
        Encoding::Protobuf => varint(raw).map_or(0, |(_, prefix)| prefix),
        Encoding::Json | Encoding::Capnp => 0,
    }
}

fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (n, &byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}

/// What a fault remembers.
#[derive(Default)]
pub(super) struct Memory {
    /// Calls that came down and have not ended upwards, in order, with what came for them.
    pub(super) open: BTreeMap<u64, Vec<Frame>>,
    /// Calls of which something is to be remembered.
    pub(super) marked: BTreeSet<u64>,
    /// The same with a number.
    pub(super) numbers: BTreeMap<u64, u64>,
    /// The same with a text.
    pub(super) texts: BTreeMap<String, String>,
    /// What is held back.
    pub(super) held: Vec<Frame>,
    /// When what is held back began to be, or when each call was cancelled.
    pub(super) since: BTreeMap<u64, Instant>,
    /// Whether the function has said hello.
    pub(super) greeted: bool,
    /// Bytes that came up, in the modes for one invocation.
    pub(super) output: usize,
}

impl Memory {
    /// Keeps account of calls: to be told what is seen before it is acted upon.
    pub(super) fn watch(&mut self, seen: &Seen) {
        match seen {
            Seen::Down(frame) if frame.call() != 0 => {
                self.open
                    .entry(frame.call())
                    .or_default()
                    .push(frame.clone());
            }
            Seen::Up(frame) if frame.says_hello() => self.greeted = true,
            _ => {}
        }
    }

    /// The same, when what was done is known.
    pub(super) fn watch_done(&mut self, done: &[Do]) {
        for done in done {
            if let Do::Up(frame) = done
                && frame.ends()
            {
                self.open.remove(&frame.call());
            }
        }
    }
}
