//! Binary mode: attributes in the environment, data on stdin and stdout.

use std::ffi::OsString;

use bytes::Bytes;

use super::super::call::Port;
use super::super::guard::Streams;
use super::super::io::{read, write_all};
use super::super::pieces::Piece;
use super::{Trouble, unstoppable};
use crate::{Code, Context, Event, Status, binary};

const READ: usize = 64 << 10;

pub(in super::super) struct BinaryPort {
    streams: Streams,
    context: Context,
    vars: Vec<(OsString, OsString)>,
    begun: bool,
    input_done: bool,
    max_event_bytes: usize,
    results: u64,
    trouble: Trouble,
}

impl BinaryPort {
    pub(in super::super) fn new(
        streams: Streams,
        context: Context,
        vars: Vec<(OsString, OsString)>,
        max_event_bytes: usize,
        trouble: Trouble,
    ) -> Self {
        let (begun, input_done, results) = (false, false, 0);
        BinaryPort {
            streams,
            context,
            vars,
            begun,
            input_done,
            max_event_bytes,
            results,
            trouble,
        }
    }

    fn read(&mut self) -> Result<Bytes, Status> {
        let mut buffer = vec![0; READ];
        let count = read(&self.streams.input, &mut buffer)
            .map_err(|error| self.trouble.with("reading stdin", error))?;
        buffer.truncate(count);
        Ok(buffer.into())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, Status> {
        let mut data = Vec::new();
        loop {
            let bytes = self.read()?;
            if bytes.is_empty() {
                return Ok(data);
            }
            if data.len() + bytes.len() > self.max_event_bytes {
                let message = format!(
                    "the event's data is larger than {} bytes",
                    self.max_event_bytes
                );
                return Err(Status::new(Code::ResourceExhausted, message));
            }
            data.extend_from_slice(&bytes);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Status> {
        write_all(&self.streams.output, bytes)
            .map_err(|error| self.trouble.with("writing to stdout", error))
    }

    fn begin_result(&mut self) -> Result<(), Status> {
        self.results += 1;
        match self.results {
            1 => Ok(()),
            _ => Err(Status::new(
                Code::Internal,
                "binary mode carries one result, and the handler gave another one",
            )),
        }
    }
}

impl Port for BinaryPort {
    fn context(&self) -> &Context {
        &self.context
    }

    fn take(&mut self, whole: bool) -> Result<Option<Piece>, Status> {
        if self.input_done {
            return Ok(None);
        }
        if !self.begun && whole {
            (self.begun, self.input_done) = (true, true);
            let data = self.read_all()?;
            return Ok(Some(Piece::Event {
                event: event(&self.vars, data.into())?,
                more: false,
            }));
        }
        let bytes = self.read()?;
        let more = !bytes.is_empty();
        self.input_done = !more;
        if std::mem::replace(&mut self.begun, true) {
            return Ok(Some(Piece::Chunk { bytes, more }));
        }
        let mut event = event(&self.vars, Bytes::new())?;
        if more {
            event = event.to_builder().data(bytes).build()?;
        }
        Ok(Some(Piece::Event { event, more }))
    }

    fn write(&mut self, event: Event, _last: bool) -> Result<(), Status> {
        self.begin_result()?;
        event
            .data()
            .map_or(Ok(()), |data| self.put(data.as_bytes()))
    }

    fn has_pieces(&self) -> bool {
        true
    }

    fn write_piece(&mut self, piece: Piece) -> Result<(), Status> {
        match piece {
            Piece::Event { event, .. } => self.write(event, false),
            Piece::Chunk { bytes, .. } => self.put(&bytes),
        }
    }

    fn stopped(&self) -> Option<Status> {
        None
    }

    fn wait_stopped(&self) -> Status {
        unstoppable()
    }
}

/// The event of the variables `CE_…` and the data.
fn event(vars: &[(OsString, OsString)], data: Bytes) -> Result<Event, Status> {
    let vars = vars.iter().map(|(name, value)| (name, value));
    binary::from_vars(vars, data).map_err(|error| {
        let message =
            format!("the variables CE_… are no event: {error}; correct what starts this process");
        Status::new(Code::InvalidArgument, message)
    })
}
