//! Structured mode: event documents in, event documents out.

use super::super::call::Port;
use super::super::guard::Streams;
use super::super::io::{read, write_all};
use super::super::pieces::Piece;
use super::{Trouble, unstoppable};
use crate::{Code, Context, Encoding, Environment, Event, EventDecoder, Status, encode_event};

const READ: usize = 64 << 10;

pub(in super::super) struct StructuredPort {
    streams: Streams,
    context: Context,
    decoder: EventDecoder,
    at_eof: bool,
    encoding: Encoding,
    max_document_bytes: usize,
    trouble: Trouble,
}

impl StructuredPort {
    pub(in super::super) fn new(
        streams: Streams,
        environment: &Environment,
        trouble: Trouble,
    ) -> Self {
        StructuredPort {
            streams,
            context: environment.context.clone(),
            decoder: EventDecoder::new(environment.encoding, environment.limits()),
            at_eof: false,
            encoding: environment.encoding,
            max_document_bytes: environment.max_message_bytes,
            trouble,
        }
    }
}

impl Port for StructuredPort {
    fn context(&self) -> &Context {
        &self.context
    }

    fn take(&mut self, _whole: bool) -> Result<Option<Piece>, Status> {
        let mut buffer = Vec::new();
        loop {
            match self.decoder.next() {
                Ok(Some(event)) => return Ok(Some(Piece::Event { event, more: false })),
                Ok(None) if self.at_eof => return Ok(None),
                Ok(None) => {}
                Err(violation) => {
                    return Err(Status::new(Code::InvalidArgument, violation.to_string()));
                }
            }
            buffer.resize(READ, 0);
            match read(&self.streams.input, &mut buffer) {
                Ok(0) => {
                    self.at_eof = true;
                    self.decoder.finish();
                }
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) => return Err(self.trouble.with("reading stdin", error)),
            }
        }
    }

    fn write(&mut self, event: Event, _last: bool) -> Result<(), Status> {
        let mut bytes = Vec::new();
        encode_event(&event, self.encoding, &mut bytes);
        if bytes.len() > self.max_document_bytes {
            let message = format!(
                "a result is larger than a document may be ({} bytes)",
                self.max_document_bytes
            );
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        write_all(&self.streams.output, &bytes)
            .map_err(|error| self.trouble.with("writing to stdout", error))
    }

    fn has_pieces(&self) -> bool {
        false
    }

    fn write_piece(&mut self, _piece: Piece) -> Result<(), Status> {
        Err(Status::new(Code::Internal, "a document has no pieces"))
    }

    fn stopped(&self) -> Option<Status> {
        None
    }

    fn wait_stopped(&self) -> Status {
        unstoppable()
    }
}
