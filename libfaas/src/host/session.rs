//! One instance in stream mode, as its host sees it: no I/O and no clock.
//!
//! Bytes of stdout go in, bytes for stdin come out, and [`Notice`]s say what happened. Whoever
//! drives it owns the descriptors, the process and the time: `now` is an argument.

mod call;
mod death;
mod outgoing;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod timers;
mod utf8;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::Part;
use super::numbered::Numbered;
use super::settings::later;
use crate::{Code, Context, Encoding, Hello, Limits, Message, MessageDecoder, Status};

use call::{Call, Input};
use outgoing::Outgoing;
use timers::{Timer, Timers};

/// How an instance is talked to; see [`Revision::session`](super::Revision::session).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `FAAS_SPEC`, which the host's hello repeats (`version-hello-host`).
    pub spec: String,
    /// What the host's hello says of itself; cut to 256 bytes.
    pub producer: String,
    /// The encoding, both ways.
    pub encoding: Encoding,
    /// How many calls may be open at once.
    pub concurrency: usize,
    /// Whether the function takes events in pieces.
    pub chunks: bool,
    /// Encoded bytes of one message, both ways.
    pub max_message_bytes: usize,
    /// Bytes of data of one event that goes in.
    pub max_event_bytes: Option<u64>,
    /// Bytes of the events of one call that come out: their data and their attributes.
    pub max_output_bytes: Option<u64>,
    /// From the start to the function's hello.
    pub init: Duration,
    /// From a cancel to the call's `end`.
    pub cancel_grace: Duration,
}

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "few at a time, and gone at once")]
pub enum Notice {
    /// The function has said hello, with the status OK.
    Ready(Hello),
    /// The next part of a call's output. With its `end` the call is over: nothing follows for it.
    Part {
        /// The call.
        call: u64,
        /// What came for it.
        part: Part,
    },
    /// Kill the instance now. Its calls have ended, each with a notice before this one; the status
    /// says why.
    Kill(Status),
    /// It takes no new calls, and will be killed once the others have ended: a call outlived its
    /// deadline or its cancel (`deadline-no-new-calls`). [`Kill`](Self::Kill) follows.
    Retired,
}

/// The host's state of one instance in stream mode.
///
/// Every call that was opened gets exactly one [`Notice::Part`] with an `end`, however the instance
/// behaves and however it dies, provided that it is told the time and the death.
///
/// ```
/// use std::time::{Duration, Instant};
/// use libfaas::host::{Notice, Part, Revision, Session, Settings};
/// use libfaas::{Context, Event, Manifest};
///
/// let manifest = Manifest::from_yaml(r#"{fsi: "1.0", name: f, command: [./f], modes: [stream]}"#)?;
/// let settings = Settings::default();
/// let revision = Revision::new(manifest, ".", "acme", "r1", &settings)?;
///
/// let mut session = Session::new(revision.session(&settings), Instant::now());
/// let call = session.open(Context::default(), None);
/// session.send(call, Part::last(Event::builder("1", "/shop", "order.placed").build()?));
/// // Whatever is outgoing is written to stdin …
/// let length = session.outgoing().len();
/// session.wrote(length);
/// // … and what stdout has is read.
/// session.read(b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n{\"call\":1,\"end\":{}}\n", Instant::now());
/// assert!(matches!(session.notice(), Some(Notice::Ready(_))));
/// let Some(Notice::Part { call: 1, part }) = session.notice() else { panic!() };
/// assert!(part.end.unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    options: Options,
    decoder: MessageDecoder,
    outgoing: Outgoing,
    notices: VecDeque<Notice>,
    calls: Numbered<Call>,
    /// Calls whose caller waits for an end.
    live: usize,
    /// The number of the next call.
    next: u64,
    timers: Timers,
    phase: Phase,
    closed: bool,
    /// Nobody reads the function's stdin any more.
    deaf: bool,
    retired: bool,
    /// What was wrong with the last bytes of a stdout that has ended inside a message.
    cut: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The function has not said hello.
    Starting,
    Ready,
    /// Stdout has ended; how the process ended is not known yet.
    Ending {
        was_ready: bool,
    },
    /// Nothing more comes of it.
    Over,
}

impl Session {
    /// A session with an instance that has just been started. Its hello is already outgoing
    /// (`start-host-hello`).
    pub fn new(options: Options, now: Instant) -> Session {
        let limits = Limits {
            max_message_bytes: options.max_message_bytes,
            ..Limits::default()
        };
        let mut hello = Message {
            hello: Some(Hello {
                fsi: options.spec.clone(),
                producer: options.producer.clone(),
                status: Status::ok(),
            }),
            ..Message::default()
        };
        hello.cut_to(&limits);
        let mut outgoing = Outgoing::default();
        outgoing.push(&hello, options.encoding, usize::MAX);
        let mut timers = Timers::new(now);
        timers.set(None, Some(later(now, options.init)), Timer::Init);
        Session {
            decoder: MessageDecoder::new(options.encoding, limits),
            options,
            outgoing,
            notices: VecDeque::new(),
            calls: Numbered::default(),
            live: 0,
            next: 1,
            timers,
            phase: Phase::Starting,
            closed: false,
            deaf: false,
            retired: false,
            cut: None,
        }
    }

    /// How many calls may be opened now. Calls may be opened before the function's hello.
    pub fn room(&self) -> usize {
        let open = matches!(self.phase, Phase::Starting | Phase::Ready);
        if !open || self.closed || self.retired || self.deaf || self.next > Message::MAX_CALL {
            return 0;
        }
        self.options.concurrency.saturating_sub(self.calls.len())
    }

    /// Opens a call. Nothing is written before its first part is sent.
    ///
    /// The deadline is not the one in `context`, which the function sees, but should agree with it.
    /// A context that [`Context::validate`] rejects ends the call with INVALID_ARGUMENT
    /// (`context-grammar`); a call for which there is no [`room`](Self::room) ends with UNAVAILABLE.
    pub fn open(&mut self, context: Context, deadline: Option<Instant>) -> u64 {
        let call = self.next;
        self.next += 1;
        let refusal = match context.validate() {
            Err(fault) => Some(Status::new(Code::InvalidArgument, fault.to_string())),
            // The number has been taken, so the next one decides.
            Ok(()) if self.room() == 0 => Some(Status::new(
                Code::Unavailable,
                "the instance takes no further call",
            )),
            Ok(()) => None,
        };
        if let Some(status) = refusal {
            let part = Part::end(status);
            self.notices.push_back(Notice::Part { call, part });
            return call;
        }
        self.timers.set(None, deadline, Timer::Call(call));
        self.calls.insert(call, Call::new(context, deadline));
        self.live += 1;
        call
    }

    /// Gives a call up: the function is told, and the call ends with what it answers, or with
    /// CANCELLED when it does not answer within the grace.
    pub fn cancel(&mut self, call: u64, reason: &str) {
        let Some(state) = self.calls.get(&call) else {
            return;
        };
        if state.over || state.input == Input::Cancelled {
            return;
        }
        let status = Status::new(Code::Cancelled, reason);
        self.give_up(call, reason, status);
    }

    /// Drains the instance: no call is opened any more and nothing more is written. The driver
    /// closes stdin once [`outgoing`](Self::outgoing) is empty. The function then finishes the calls
    /// whose input is complete and ends the others.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether stdin is to be closed: the session is, and nothing is left to be written.
    pub fn stdin_done(&self) -> bool {
        self.closed && self.unwritten() == 0
    }

    /// What is to be written to stdin next; empty when there is nothing. More may follow once it is
    /// written: large data lies in a place of its own.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.first()
    }

    /// The same for a vectored write, as far as there are slices for it: how many of them have been
    /// given bytes. Three are enough for one message.
    pub fn outgoing_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.outgoing.slices(slices)
    }

    /// How many bytes are to be written to stdin.
    pub fn unwritten(&self) -> usize {
        self.outgoing.len()
    }

    /// So many bytes of [`outgoing`](Self::outgoing) have been written.
    pub fn wrote(&mut self, count: usize) {
        self.outgoing.wrote(count);
        if self.live == 0 {
            self.outgoing.trim();
        }
    }

    /// Stdin can't be written any more (EPIPE). Calls that the function has may still end; no
    /// further one is opened.
    pub fn write_end(&mut self) {
        self.deaf = true;
        self.outgoing = Outgoing::default();
    }

    /// When [`tick`](Self::tick) is next due, for a timer that all instances may share. None: not
    /// before something else happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next thing that happened. Look after every other method, until None.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Whether the function has said hello, and nothing has ended it since.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether nothing more comes of it: it was to be killed, or has died.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// How many calls have not ended for their callers.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Whether this call is open, so that a log record may name it (`log-call-believed`).
    pub fn is_open(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether it was told to be drained.
    #[cfg(feature = "tokio")]
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn writable(&self) -> bool {
        !self.closed && !self.deaf && self.phase != Phase::Over
    }
}
