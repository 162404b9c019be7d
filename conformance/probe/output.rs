//! What the probe writes in stream mode: messages, and large events in pieces.

use bytes::Bytes;
use libfaas::{Code, Context, Data, Encoding, Event, Message, Status, Text, encode_message};

use crate::disfigure;
use crate::fault::fault;
use crate::setup::Setup;
use crate::stdio::Stdout;

/// The most that one message carries of an event in pieces, where calls run side by side.
const PIECE: usize = 262_144;

pub(crate) struct Output {
    stdout: Stdout,
    encoding: Encoding,
    chunks: bool,
    concurrency: usize,
    max_message_bytes: usize,
    /// Bytes that a fault holds back.
    held: Vec<u8>,
    pub(crate) holding: bool,
}

impl Output {
    pub(crate) fn new(stdout: Stdout, setup: &Setup) -> Output {
        let other = match setup.encoding {
            Encoding::Json => Encoding::Protobuf,
            _ => Encoding::Json,
        };
        Output {
            stdout,
            encoding: if fault!("encoding-other") {
                other
            } else {
                setup.encoding
            },
            chunks: setup.chunks || fault!("chunk-undeclared"),
            concurrency: setup.concurrency,
            max_message_bytes: setup.max_message_bytes,
            held: Vec::new(),
            holding: false,
        }
    }

    pub(crate) fn message(&mut self, message: &Message) {
        let bytes = self.encoded(message);
        self.raw(&bytes);
    }

    /// Writes an event, in pieces if it is too large for one message. The context goes onto its
    /// first message.
    pub(crate) fn event(
        &mut self,
        call: u64,
        context: Option<Context>,
        event: Event,
    ) -> Result<(), Status> {
        let message = Message {
            call,
            context,
            event: Some(event),
            ..Message::default()
        };
        let bytes = self.encoded(&message);
        if self.body_len(&bytes) <= self.max_message_bytes || fault!("output-over-limit") {
            self.raw(&bytes);
            return Ok(());
        }
        let Message { context, event, .. } = message;
        let event = event.expect("set above");
        match event.data() {
            Some(data @ (Data::Binary(_) | Data::Text(_) | Data::Json(_))) if self.chunks => {
                self.pieces(call, context, &event, data)
            }
            _ => Err(self.too_large(bytes.len())),
        }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        if self.holding {
            self.held.extend_from_slice(bytes);
        } else {
            self.stdout.write(bytes);
        }
    }

    /// Writes what a fault has held back.
    pub(crate) fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.stdout.write(&held);
        }
    }

    fn pieces(
        &mut self,
        call: u64,
        context: Option<Context>,
        event: &Event,
        data: &Data,
    ) -> Result<(), Status> {
        // JSON can't begin with half a value, so JSON data goes as bytes under its content type.
        let empty = if let Data::Text(_) = data {
            Data::Text(Text::default())
        } else {
            Data::Binary(Bytes::new())
        };
        let first = event
            .to_builder()
            .data(empty)
            .build()
            .map_err(|e| Status::new(Code::Internal, e.to_string()))?;
        let mut first = Message {
            call,
            context,
            event: Some(first),
            more: true,
            ..Message::default()
        };
        let head = self.encoded(&first);
        if self.body_len(&head) > self.max_message_bytes {
            return Err(self.too_large(head.len()));
        }
        if fault!("chunk-kind-json") {
            let text =
                String::from_utf8_lossy(&head).replace(r#""data_base64":"""#, r#""data":{}"#);
            self.raw(text.as_bytes());
        } else {
            self.message(&first);
        }
        // Base64 makes four bytes of three, and a little stands around them.
        let fits = self.max_message_bytes.saturating_sub(128).max(4) / 4 * 3;
        let piece = match self.concurrency {
            _ if fault!("chunk-too-large") => fits,
            1 => fits,
            _ => fits.min(PIECE),
        };
        let mut rest = data.as_bytes();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            rest = later;
            first = Message {
                call,
                chunk: Some(Bytes::copy_from_slice(now)),
                more: !rest.is_empty(),
                ..Message::default()
            };
            self.message(&first);
        }
        Ok(())
    }

    fn too_large(&self, len: usize) -> Status {
        let code = if fault!("output-limit-unknown") {
            Code::Unknown
        } else {
            Code::ResourceExhausted
        };
        Status::new(
            code,
            format!(
                "a result of {len} bytes exceeds the message limit of {} bytes",
                self.max_message_bytes
            ),
        )
    }

    fn encoded(&self, message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        if fault!("call-number-truncated") {
            let message = Message {
                call: message.call & 0xffff_ffff,
                ..message.clone()
            };
            encode_message(&message, self.encoding, &mut bytes);
        } else {
            encode_message(message, self.encoding, &mut bytes);
        }
        disfigure::message(bytes, message, self.encoding)
    }

    /// The length without the delimiter, which the message limit does not count.
    fn body_len(&self, bytes: &[u8]) -> usize {
        match self.encoding {
            Encoding::Json => bytes.len() - 1,
            Encoding::Protobuf => {
                bytes.len() - bytes.iter().take_while(|byte| **byte >= 0x80).count() - 1
            }
            Encoding::Capnp => bytes.len(),
        }
    }
}
