//! A message in JSON.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::event::{self, Draft};
use super::reader::{Kind, Reader, Twice};
use crate::error::{Rule, quote};
use crate::{Cancel, Code, Context, Hello, Message, Status, Violation};

/// Reads a message whose event is still a draft, since `more` may stand after it.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<(Message, Option<Draft<'a>>), Violation> {
    let mut message = Message::default();
    let mut draft = None;
    members(reader, |reader, name| {
        match name {
            "call" => message.call = call(reader)?,
            "context" => message.context = Some(context(reader)?),
            "event" => {
                expect(reader, Kind::Object, "an object")?;
                draft = Some(event::read(reader)?);
            }
            "chunk" => message.chunk = Some(chunk(reader)?),
            "more" => {
                expect(reader, Kind::Boolean, "true or false")?;
                message.more = reader.value(Twice::Malformed)?.text == "true";
            }
            "end" => message.end = Some(status(reader)?),
            "cancel" => message.cancel = Some(cancel(reader)?),
            "hello" => message.hello = Some(hello(reader)?),
            _ => return reader.value(Twice::Malformed).map(drop),
        }
        Ok(())
    })?;
    Ok((message, draft))
}

/// An object, member by member.
fn members<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), Violation>,
) -> Result<(), Violation> {
    reader.object(Twice::Malformed, |reader, name| member(reader, &name))
}

fn expect(reader: &mut Reader<'_>, kind: Kind, expected: &'static str) -> Result<(), Violation> {
    match reader.kind()? {
        found if found == kind => Ok(()),
        Kind::Null => Err(mistyped(reader, expected)
            .under(Rule::JsonNull)
            .advise("leave an absent member out")),
        _ => Err(mistyped(reader, expected)),
    }
}

fn mistyped(reader: &mut Reader<'_>, expected: &'static str) -> Violation {
    let at = reader.offset() as u64;
    match reader.value(Twice::Malformed) {
        Ok(value) => Violation::new(Rule::JsonType, at, expected, quote(value.text.as_bytes())),
        Err(malformed) => malformed,
    }
}

fn call(reader: &mut Reader<'_>) -> Result<u64, Violation> {
    expect(reader, Kind::Number, "an integer")?;
    let value = reader.value(Twice::Malformed)?;
    let at = value.at as u64;
    if !value.text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Violation::new(
            Rule::JsonType,
            at,
            "an unsigned integer",
            quote(value.text.as_bytes()),
        ));
    }
    // What no u64 holds is out of the calls' range all the more; the stream decoder reports it.
    Ok(value.text.parse().unwrap_or(u64::MAX))
}

fn integer<T: std::str::FromStr>(
    reader: &mut Reader<'_>,
    expected: &'static str,
) -> Result<T, Violation> {
    expect(reader, Kind::Number, expected)?;
    let value = reader.value(Twice::Malformed)?;
    let came = || {
        Violation::new(
            Rule::JsonType,
            value.at as u64,
            expected,
            quote(value.text.as_bytes()),
        )
    };
    value.text.parse().map_err(|_| came())
}

fn string(reader: &mut Reader<'_>) -> Result<String, Violation> {
    expect(reader, Kind::String, "a string")?;
    let at = reader.offset() as u64;
    let text = reader.string()?;
    text.decode().map(Into::into).map_err(|_| {
        Violation::new(
            Rule::Malformed,
            at,
            "a string without lone surrogates",
            quote(text.raw.as_bytes()),
        )
    })
}

fn strings(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Violation> {
    expect(reader, Kind::Object, "an object of strings")?;
    let mut map = BTreeMap::new();
    members(reader, |reader, name| {
        map.insert(name.to_owned(), string(reader)?);
        Ok(())
    })?;
    Ok(map)
}

fn chunk(reader: &mut Reader<'_>) -> Result<Bytes, Violation> {
    let at = reader.offset() as u64;
    let text = string(reader)?;
    let bytes = super::base64(&text).map(Bytes::from);
    bytes.ok_or_else(|| {
        Violation::new(
            Rule::JsonBase64,
            at,
            "standard base64 with padding",
            quote(text.as_bytes()),
        )
    })
}

fn context(reader: &mut Reader<'_>) -> Result<Context, Violation> {
    expect(reader, Kind::Object, "an object")?;
    let mut context = Context::default();
    members(reader, |reader, name| {
        match name {
            "invocationId" => context.invocation_id = string(reader)?,
            "attempt" => context.attempt = integer(reader, "an integer of 32 unsigned bits")?,
            "deadlineMs" => {
                context.deadline_ms = Some(integer(reader, "an integer of 64 signed bits")?)
            }
            "traceparent" => context.traceparent = string(reader)?,
            "tracestate" => context.tracestate = string(reader)?,
            "baggage" => context.baggage = string(reader)?,
            "extra" => context.extra = strings(reader)?,
            _ => return reader.value(Twice::Malformed).map(drop),
        }
        Ok(())
    })?;
    Ok(context)
}

fn status(reader: &mut Reader<'_>) -> Result<Status, Violation> {
    expect(reader, Kind::Object, "an object")?;
    let mut status = Status::ok();
    members(reader, |reader, name| {
        match name {
            "code" => status.code = Code::from_name(&string(reader)?),
            "message" => status.message = string(reader)?,
            "details" => status.details = strings(reader)?,
            _ => return reader.value(Twice::Malformed).map(drop),
        }
        Ok(())
    })?;
    Ok(status)
}

fn cancel(reader: &mut Reader<'_>) -> Result<Cancel, Violation> {
    expect(reader, Kind::Object, "an object")?;
    let mut cancel = Cancel::default();
    members(reader, |reader, name| {
        match name {
            "reason" => cancel.reason = string(reader)?,
            _ => return reader.value(Twice::Malformed).map(drop),
        }
        Ok(())
    })?;
    Ok(cancel)
}

fn hello(reader: &mut Reader<'_>) -> Result<Hello, Violation> {
    expect(reader, Kind::Object, "an object")?;
    let mut hello = Hello::default();
    members(reader, |reader, name| {
        match name {
            "fsi" => hello.fsi = string(reader)?,
            "producer" => hello.producer = string(reader)?,
            "status" => hello.status = status(reader)?,
            _ => return reader.value(Twice::Malformed).map(drop),
        }
        Ok(())
    })?;
    Ok(hello)
}
