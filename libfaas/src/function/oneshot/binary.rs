//! Binary mode: attributes in the environment, data on stdin and stdout.

use std::ffi::OsString;

use bytes::Bytes;

use super::super::call::Port;
use super::super::guard::Streams;
use super::super::io::{read, write_all};
use super::super::pieces::Piece;
use super::{Trouble, unstoppable};
use crate::event::is_json;
use crate::{Code, Data, Event, EventBuilder, JsonText, Status};

const READ: usize = 64 << 10;

pub(in super::super) struct BinaryPort {
    streams: Streams,
    /// The event without its data, until it is taken.
    event: Option<Event>,
    input_done: bool,
    max_event_bytes: usize,
    results: u64,
    trouble: Trouble,
}

impl BinaryPort {
    pub(in super::super) fn new(
        streams: Streams,
        vars: &[(OsString, OsString)],
        max_event_bytes: usize,
        trouble: Trouble,
    ) -> Result<Self, Status> {
        let event = Some(event(vars)?);
        Ok(BinaryPort {
            streams,
            event,
            input_done: false,
            max_event_bytes,
            results: 0,
            trouble,
        })
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
    fn take(&mut self, whole: bool) -> Result<Option<Piece>, Status> {
        match self.event.take() {
            Some(event) if whole => {
                self.input_done = true;
                let data = self.read_all()?;
                let event = with_data(&event, data)?;
                Ok(Some(Piece::Event { event, more: false }))
            }
            Some(event) => {
                let bytes = self.read()?;
                if bytes.is_empty() {
                    self.input_done = true;
                    return Ok(Some(Piece::Event { event, more: false }));
                }
                let event = event.to_builder().data(bytes).build()?;
                Ok(Some(Piece::Event { event, more: true }))
            }
            None if self.input_done => Ok(None),
            None => {
                let bytes = self.read()?;
                self.input_done = bytes.is_empty();
                Ok(Some(Piece::Chunk {
                    more: !self.input_done,
                    bytes,
                }))
            }
        }
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

/// The event of the variables `CE_…`.
fn event(vars: &[(OsString, OsString)]) -> Result<Event, Status> {
    const ONE: usize = 32_000;
    const ALL: usize = 65_536;
    let invalid = |message: String| Status::new(Code::InvalidArgument, message);
    let mut builder = Event::builder("", "", "");
    let mut all = 0;
    for (name, value) in vars {
        let attribute = name.to_str().and_then(|name| name.strip_prefix("CE_"));
        let Some(attribute) =
            attribute.filter(|name| name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9')))
        else {
            continue;
        };
        let value = value
            .to_str()
            .ok_or_else(|| invalid(format!("CE_{attribute} is not UTF-8")))?;
        all += value.len();
        if value.len() > ONE || all > ALL {
            let message =
                format!("CE_{attribute}: an attribute may have {ONE} bytes, all together {ALL}");
            return Err(invalid(message));
        }
        builder = set(builder, &attribute.to_ascii_lowercase(), value)?;
    }
    builder
        .build()
        .map_err(|error| invalid(format!("the variables CE_… are no event: {error}")))
}

/// Types do not survive the environment: extensions are text.
fn set(builder: EventBuilder, name: &str, value: &str) -> Result<EventBuilder, Status> {
    Ok(match name {
        "specversion" if value == "1.0" => builder,
        "specversion" => {
            let message = format!("CE_SPECVERSION: expected 1.0, got {value:?}");
            return Err(Status::new(Code::InvalidArgument, message));
        }
        "id" => builder.id(value),
        "source" => builder.source(value),
        "type" => builder.ty(value),
        "time" => builder.time(value),
        "dataschema" => builder.dataschema(value),
        _ => builder.attribute(name, value),
    })
}

/// Text for `text/*`, JSON for a JSON type, where the bytes are that; else binary. No bytes, no
/// data.
fn with_data(event: &Event, data: Vec<u8>) -> Result<Event, Status> {
    if data.is_empty() {
        return Ok(event.clone());
    }
    let media_type = event
        .datacontenttype()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (text, json) = (media_type.starts_with("text/"), is_json(&media_type));
    let data = match String::from_utf8(data) {
        Ok(string) if json => match JsonText::new(string.clone()) {
            Ok(json) => Data::Json(json),
            Err(_) => Data::from(string.into_bytes()),
        },
        Ok(string) if text => Data::Text(string),
        Ok(string) => Data::from(string.into_bytes()),
        Err(error) => Data::from(error.into_bytes()),
    };
    Ok(event.to_builder().data(data).build()?)
}
