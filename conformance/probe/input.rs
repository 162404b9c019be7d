//! What the probe reads in stream mode: messages, decoded by the library.
//!
//! Some faults let bytes pass that the library's decoder refuses for good. For these the stream is
//! cut into messages here, each is given to a decoder of its own, and a refused one is skipped.

use libfaas::{
    Encoding, Hello, Limits, Message, MessageDecoder, Received, Violation, encode_message,
};
use serde_json::Value;

use crate::disfigure::{misread, put_varint, varint};
use crate::fault::{accepted_rule, fault};

pub(crate) struct Input {
    encoding: Encoding,
    limits: Limits,
    decoder: MessageDecoder,
    /// Set for the faults that need it: what is not yet a whole message.
    cut: Option<Vec<u8>>,
    greeted: bool,
    ended: bool,
}

impl Input {
    pub(crate) fn new(encoding: Encoding, max_message_bytes: usize) -> Input {
        let max_message_bytes = if fault!("accepts-encoding-limit") {
            usize::MAX >> 2
        } else {
            max_message_bytes
        };
        let limits = Limits {
            max_message_bytes,
            ..Limits::default()
        };
        let needs_cut = accepted_rule()
            .is_some_and(|rule| !rule.starts_with("event-") && !rule.starts_with("json-event-"))
            || fault!("unknown-field-malformed")
            || fault!("null-attribute-malformed")
            || fault!("empty-line-malformed")
            || fault!("last-line-lost")
            || fault!("status-unknown-malformed")
            || fault!("status-absent-unknown")
            || fault!("split-read-lost")
            || fault!("protobuf-attribute-first")
            || fault!("protobuf-event-replaced");
        let decoder = MessageDecoder::new(encoding, limits);
        Input {
            encoding,
            limits,
            decoder,
            cut: needs_cut.then(Vec::new),
            greeted: false,
            ended: false,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match &mut self.cut {
            None => self.decoder.push(bytes),
            Some(pending) => {
                // Longer beginnings are what a full pipe leaves of a long message, and that is
                // not for a fault to depend on.
                if fault!("split-read-lost") && pending.len() < 4096 {
                    pending.clear();
                }
                pending.extend_from_slice(bytes);
            }
        }
    }

    /// Nothing comes any more.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
        match &mut self.cut {
            None => self.decoder.finish(),
            Some(pending) if fault!("last-line-lost") => pending.clear(),
            Some(_) => {}
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Received>, Violation> {
        if self.cut.is_none() {
            return self.decoder.next();
        }
        while let Some(document) = self.take_document() {
            match self.decode(&document) {
                Ok(None) => {}
                Ok(received) => {
                    self.greeted = true;
                    return Ok(received);
                }
                Err(violation) if Some(violation.rule()) == accepted_rule() => {}
                Err(violation) => return Err(violation),
            }
        }
        Ok(None)
    }

    fn decode(&mut self, document: &[u8]) -> Result<Option<Received>, Violation> {
        let mut decoder = MessageDecoder::new(self.encoding, self.limits);
        if self.greeted || fault!("accepts-hello-missing") {
            let mut hello = Vec::new();
            let message = Message {
                hello: Some(Hello {
                    fsi: "1.0".to_owned(),
                    ..Hello::default()
                }),
                ..Message::default()
            };
            encode_message(&message, self.encoding, &mut hello);
            decoder.push(&hello);
            decoder.next()?;
        }
        if self.encoding == Encoding::Json && lenient_line(document) {
            // To decode it as a call makes it malformed without further ado.
            decoder.push(b"malformed\n");
        }
        decoder.push(document);
        decoder.finish();
        let mut received = match decoder.next() {
            // The first message is the hello that was made up above.
            Err(violation) if violation.rule() == "hello-once" && !self.greeted => {
                self.greeted = true;
                return Ok(Some(Received {
                    message: hello(),
                    invalid_event: None,
                }));
            }
            received => received?,
        };
        if fault!("status-absent-unknown")
            && let Some(end) = received
                .as_mut()
                .and_then(|received| received.message.end.as_mut())
            && end.is_ok()
            && !end.message.is_empty()
        {
            end.code = libfaas::Code::Unknown;
        }
        Ok(received)
    }

    /// The next message with its delimiter; what is left of it at the end of the stream.
    fn take_document(&mut self) -> Option<Vec<u8>> {
        let pending = self.cut.as_mut()?;
        // A banner is known from two bytes; as a length it would be waited on.
        if self.encoding == Encoding::Protobuf
            && !self.greeted
            && !fault!("accepts-hello-missing")
            && pending.get(1..3).is_some_and(|tag| tag != [0xfa, 0x01])
        {
            return Some(std::mem::take(pending));
        }
        let len = match self.encoding {
            Encoding::Json => pending
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + 1),
            Encoding::Protobuf => delimited_len(pending),
            Encoding::Capnp => framed_len(pending),
        };
        match len {
            // More than will ever be whole: the decoder says so.
            _ if len.unwrap_or(pending.len())
                > self.limits.max_message_bytes.saturating_add(16) =>
            {
                Some(std::mem::take(pending))
            }
            Some(len) if len <= pending.len() => {
                let document: Vec<u8> = pending.drain(..len).collect();
                if self.encoding != Encoding::Protobuf {
                    return Some(document);
                }
                let (_, prefix) = varint(&document)?;
                let body = misread(&document[prefix..]);
                if body == document[prefix..] && !fault!("accepts-protobuf-length") {
                    return Some(document);
                }
                // The length is written anew, in as few bytes as it takes.
                let mut document = Vec::new();
                put_varint(body.len() as u64, &mut document);
                document.extend_from_slice(&body);
                Some(document)
            }
            _ if self.ended && !pending.is_empty() => Some(std::mem::take(pending)),
            _ => None,
        }
    }
}

fn hello() -> Message {
    Message {
        hello: Some(Hello {
            fsi: "1.0".to_owned(),
            ..Hello::default()
        }),
        ..Message::default()
    }
}

/// Whether a fault takes this line for malformed, which it is not.
fn lenient_line(line: &[u8]) -> bool {
    const FIELDS: [&str; 8] = [
        "call", "context", "event", "chunk", "more", "end", "cancel", "hello",
    ];
    if fault!("empty-line-malformed") {
        return line.trim_ascii().is_empty();
    }
    let Ok(Value::Object(members)) = serde_json::from_slice(line) else {
        return false;
    };
    let code = members.get("end").and_then(|end| end["code"].as_str());
    let event = members.get("event").and_then(Value::as_object);
    fault!("null-attribute-malformed")
        && event.is_some_and(|event| {
            event
                .iter()
                .any(|(name, value)| name != "data" && value.is_null())
        })
        || fault!("unknown-field-malformed")
            && members.keys().any(|name| !FIELDS.contains(&name.as_str()))
        || fault!("status-unknown-malformed")
            && code.is_some_and(|code| libfaas::Code::ALL.iter().all(|known| known.name() != code))
}

/// The length of a varint and the bytes that it announces, if the varint is there.
fn delimited_len(pending: &[u8]) -> Option<usize> {
    let (body, prefix) = varint(pending)?;
    Some(prefix.saturating_add(body as usize))
}

/// The length of a frame of Cap'n Proto, if its segment table is there.
fn framed_len(pending: &[u8]) -> Option<usize> {
    let word =
        |at: usize| Some(u32::from_le_bytes(pending.get(at..at + 4)?.try_into().ok()?) as usize);
    let segments = word(0)?.saturating_add(1);
    if segments > 512 {
        return Some(pending.len());
    }
    let words: usize = (0..segments)
        .map(|segment| word(4 + 4 * segment))
        .sum::<Option<usize>>()?;
    Some((4 + 4 * segments).next_multiple_of(8) + 8 * words)
}
