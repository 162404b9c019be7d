//! Streams of events and of messages: bytes in, documents out.

use bytes::Bytes;

use super::frames::{Frame, Frames};
use super::{Encoding, check_size, hello, read_event, read_message};
use crate::error::{Rule, Violation};
use crate::event::Piece;
use crate::text::Whole;
use crate::{Event, Limits, Message};

/// A message as a decoder hands it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message; its event is None where that was invalid.
    pub message: Message,
    /// Why the event that the message carried is no valid CloudEvent. It costs the call, not the
    /// stream: a function ends the call with INVALID_ARGUMENT, a host with INTERNAL.
    pub invalid_event: Option<Violation>,
}

impl Received {
    /// Builds the event once it is known whether it is whole.
    pub(super) fn new(
        mut message: Message,
        event: Option<impl FnOnce(Piece) -> Result<Event, Violation>>,
    ) -> Self {
        let piece = if message.more {
            Piece::First
        } else {
            Piece::Whole
        };
        match event.map(|build| build(piece)).transpose() {
            Ok(event) => {
                message.event = event;
                Received {
                    message,
                    invalid_event: None,
                }
            }
            Err(fault) => Received {
                message,
                invalid_event: Some(fault),
            },
        }
    }
}

/// Reads stream mode's messages from bytes that come in any pieces.
///
/// It finds what a stream can break without knowing its calls: undecodable and over-long bytes, a
/// first message that is no hello, a second hello, a call number out of range, fields on call 0.
/// After such a [`Violation`] the stream has lost its place: the decoder gives the same one for ever.
///
/// ```
/// use libfaas::{Encoding, Limits, MessageDecoder};
///
/// let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
/// decoder.push(b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n{\"call\":1,\"e");
/// assert!(decoder.next()?.unwrap().message.hello.is_some());
/// assert_eq!(decoder.next()?, None);
/// decoder.push(b"nd\":{}}");
/// decoder.finish();
/// assert!(decoder.next()?.unwrap().message.end.unwrap().is_ok());
/// assert_eq!(decoder.next()?, None);
/// # Ok::<(), libfaas::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageDecoder {
    frames: Frames,
    encoding: Encoding,
    limits: Limits,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Nothing has been read.
    Start,
    /// The hello has been read.
    Open,
    Broken(Violation),
}

impl MessageDecoder {
    /// A decoder at the start of a stream.
    pub fn new(encoding: Encoding, limits: Limits) -> Self {
        MessageDecoder {
            frames: Frames::new(encoding, limits),
            encoding,
            limits,
            state: State::Start,
        }
    }

    /// Takes the next bytes of the stream. They are kept until [`next`](Self::next) has taken the
    /// messages out of them, so call that until None before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Broken(_)) {
            self.frames.push(bytes);
        }
    }

    /// Where the next bytes of the stream may be read to, instead of pushing them: what is appended
    /// here is not copied once more, and becomes the data of a large event as it is. There is room
    /// for as much as should be read at once.
    ///
    /// ```
    /// # use libfaas::{Encoding, Limits, MessageDecoder};
    /// let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
    /// let mut stdin = &b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n"[..];
    /// std::io::Read::read_to_end(&mut stdin, decoder.buffer())?;
    /// assert!(decoder.next()?.unwrap().message.hello.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if matches!(self.state, State::Broken(_)) {
            self.frames.abandon();
        }
        self.frames.room()
    }

    /// Says that the stream has ended. [`next`](Self::next) then gives what is left, and a violation
    /// where the stream was cut inside a message; None from then on is a clean end.
    pub fn finish(&mut self) {
        self.frames.finish();
    }

    /// The next message; None when it needs more bytes.
    ///
    /// # Errors
    ///
    /// Malformed bytes. An invalid event is no error here: see [`Received::invalid_event`].
    #[allow(
        clippy::should_implement_trait,
        reason = "no iterator: None is not the end"
    )]
    pub fn next(&mut self) -> Result<Option<Received>, Violation> {
        if let State::Broken(violation) = &self.state {
            return Err(violation.clone());
        }
        let result = self.advance();
        if let Err(violation) = &result {
            self.frames.abandon();
            self.state = State::Broken(violation.clone());
        }
        result
    }

    /// Whether the stream's hello has been read.
    pub fn hello_read(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Bytes that have come and are in no message yet.
    pub(crate) fn pending(&self) -> usize {
        self.frames.pending().1.len()
    }

    /// Frees what was kept for a large message.
    #[cfg(feature = "host")]
    pub(crate) fn trim(&mut self) {
        self.frames.trim();
    }

    fn advance(&mut self) -> Result<Option<Received>, Violation> {
        let first = matches!(self.state, State::Start);
        if first {
            let (offset, start) = self.frames.pending();
            hello::check_start(self.encoding, start, offset)?;
        }
        let Some(frame) = self.frames.next()? else {
            return Ok(None);
        };
        let (offset, limits) = (frame.offset, &self.limits);
        let read = read_message(frame.whole(), self.encoding, limits);
        let mut received = read.map_err(|fault| located(fault, &frame))?;
        received.invalid_event = received.invalid_event.map(|fault| fault.shifted(offset));
        received.message.cut_to(limits);
        let message = &received.message;
        if first && (message.hello.is_none() || message.call != 0) {
            return Err(hello::missing(offset, frame.whole().bytes()));
        }
        if !first && message.hello.is_some() {
            let expected = "one hello, first on the stream";
            return Err(Violation::new(
                Rule::HelloOnce,
                offset,
                expected,
                "another hello",
            ));
        }
        check_call(&received).map_err(|fault| fault.shifted(offset))?;
        self.state = State::Open;
        Ok(Some(received))
    }
}

impl Message {
    /// Reads one message without its delimiter, without regard to what stood before it on a stream.
    ///
    /// # Errors
    ///
    /// Malformed bytes. An invalid event is no error here: see [`Received::invalid_event`].
    pub fn decode(
        bytes: impl Into<Bytes>,
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Received, Violation> {
        let bytes = bytes.into();
        check_size(bytes.len(), limits)?;
        let mut received = read_message(Whole::Shared(&bytes), encoding, limits)?;
        received.message.cut_to(limits);
        check_call(&received)?;
        Ok(received)
    }
}

/// The numbers that calls have, and what may stand on call 0.
fn check_call(received: &Received) -> Result<(), Violation> {
    let Received {
        message,
        invalid_event,
    } = received;
    let Message {
        call,
        context,
        event,
        chunk,
        more,
        end,
        cancel,
        hello: _,
    } = message;
    if *call > Message::MAX_CALL {
        let expected = "a call of at most 4503599627370495";
        return Err(Violation::new(
            Rule::CallRange,
            0,
            expected,
            call.to_string(),
        ));
    }
    let work = context.is_some() || event.is_some() || invalid_event.is_some() || chunk.is_some();
    if *call == 0 && (work || *more || end.is_some() || cancel.is_some()) {
        let expected = "nothing but the first hello on call 0";
        return Err(Violation::new(Rule::CallZero, 0, expected, "other fields"));
    }
    Ok(())
}

/// Gives a fault its place in the stream, and tells a last line that was cut from a broken one.
fn located(fault: Violation, frame: &Frame<'_>) -> Violation {
    let cut = frame.unterminated && fault.offset() == frame.whole().bytes().len() as u64;
    let fault = if cut {
        fault
            .under(Rule::Truncated)
            .advise("look for why the sender stopped inside a message")
    } else {
        fault
    };
    fault.shifted(frame.offset)
}

/// Reads structured mode's delimited event documents from bytes that come in any pieces.
///
/// ```
/// use libfaas::{Encoding, Event, EventDecoder, Limits, encode_event};
///
/// let event = Event::builder("1", "/shop", "order.placed").build()?;
/// let mut bytes = Vec::new();
/// encode_event(&event, Encoding::Protobuf, &mut bytes);
/// let mut decoder = EventDecoder::new(Encoding::Protobuf, Limits::default());
/// for byte in bytes {
///     assert_eq!(decoder.next()?, None);
///     decoder.push(&[byte]);
/// }
/// assert_eq!(decoder.next()?, Some(event));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventDecoder {
    frames: Frames,
    encoding: Encoding,
    limits: Limits,
    broken: Option<Violation>,
}

impl EventDecoder {
    /// A decoder at the start of a stream.
    pub fn new(encoding: Encoding, limits: Limits) -> Self {
        EventDecoder {
            frames: Frames::new(encoding, limits),
            encoding,
            limits,
            broken: None,
        }
    }

    /// Takes the next bytes of the stream; see [`MessageDecoder::push`].
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.frames.push(bytes);
        }
    }

    /// Says that the stream has ended; see [`MessageDecoder::finish`].
    pub fn finish(&mut self) {
        self.frames.finish();
    }

    /// The next event; None when it needs more bytes, or at a clean end.
    ///
    /// # Errors
    ///
    /// Malformed bytes, for ever. An invalid event ([`Violation::is_invalid_event`]), once: the
    /// document after it can be read.
    #[allow(
        clippy::should_implement_trait,
        reason = "no iterator: None is not the end"
    )]
    pub fn next(&mut self) -> Result<Option<Event>, Violation> {
        if let Some(violation) = &self.broken {
            return Err(violation.clone());
        }
        let result = self.advance();
        if let Err(violation) = &result
            && !violation.is_invalid_event()
        {
            self.frames.abandon();
            self.broken = Some(violation.clone());
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Event>, Violation> {
        let Some(frame) = self.frames.next()? else {
            return Ok(None);
        };
        let read = read_event(frame.whole(), self.encoding, &self.limits);
        read.map(Some).map_err(|fault| located(fault, &frame))
    }
}
