//! The message of stream mode, the same in both directions.

use bytes::Bytes;

use crate::{Context, Event, Limits, Status};

/// One message of a stream. Its fields apply in the order in which they stand here; all but `call`
/// are optional.
///
/// ```
/// use libfaas::{Event, Message, Status};
///
/// let event = Event::builder("1", "/shop", "order.placed").build()?;
/// let unary = Message { call: 1, event: Some(event), end: Some(Status::ok()), ..Message::default() };
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The call, 1 to [`Message::MAX_CALL`]; 0 is the stream itself.
    pub call: u64,
    /// How the call runs; on its first message in each direction.
    pub context: Option<Context>,
    /// One event of the call. With `more`, text data is the first piece and a JSON media type does
    /// not make it JSON yet.
    pub event: Option<Event>,
    /// A further piece of the data of the event that is unfinished.
    pub chunk: Option<Bytes>,
    /// The data of this event goes on in a chunk of a later message.
    pub more: bool,
    /// This direction of the call is finished.
    pub end: Option<Status>,
    /// Give the call up.
    pub cancel: Option<Cancel>,
    /// Once, alone, first on every stream, on call 0.
    pub hello: Option<Hello>,
}

impl Message {
    /// The largest number of a call: 2^52 - 1, which every language's numbers hold exactly.
    pub const MAX_CALL: u64 = (1 << 52) - 1;

    /// Whether no field but `call` and `context` is there. On a call other than 0 such a message is
    /// to be ignored: it opens nothing.
    pub fn is_empty(&self) -> bool {
        let Message {
            call: _,
            context: _,
            event,
            chunk,
            more,
            end,
            cancel,
            hello,
        } = self;
        event.is_none()
            && chunk.is_none()
            && !more
            && end.is_none()
            && cancel.is_none()
            && hello.is_none()
    }

    /// Cuts the texts that a peer may make this side keep.
    pub(crate) fn cut_to(&mut self, limits: &Limits) {
        if let Some(end) = &mut self.end {
            end.cut_to(limits);
        }
        if let Some(hello) = &mut self.hello {
            hello.producer.truncate(
                hello
                    .producer
                    .floor_char_boundary(limits.max_producer_bytes),
            );
            hello.status.cut_to(limits);
        }
        if let Some(cancel) = &mut self.cancel {
            cancel.reason.truncate(
                cancel
                    .reason
                    .floor_char_boundary(limits.max_status_message_bytes),
            );
        }
    }
}

/// Why a call is given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancel {
    /// For people; may be empty.
    pub reason: String,
}

/// The first message of a stream: its sender speaks this protocol in this encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The version of the specification, `major.minor`.
    pub fsi: String,
    /// Who sends: a product and its version, for people. At most 256 bytes.
    pub producer: String,
    /// How the sender's initialisation ended; OK where it is absent on the wire.
    pub status: Status,
}
