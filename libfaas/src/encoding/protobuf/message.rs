//! `fsi.v1.Message` and the messages inside it.

use std::collections::BTreeMap;

use super::event::Draft;
use super::wire::{Fields, Value};
use crate::text::Whole;
use crate::{Cancel, Code, Context, Hello, Message, Status, Violation};

/// Reads a message whose event is still a draft, since `more` stands after it.
pub(super) fn read(whole: Whole<'_>) -> Result<(Message, Option<Draft<'_>>), Violation> {
    let mut message = Message::default();
    let mut draft: Option<Draft<'_>> = None;
    let mut fields = Fields::new(whole.bytes(), 0);
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => message.call = number,
            (2, Value::Bytes(bytes)) => {
                context(message.context.get_or_insert_default(), field.fields(bytes))?
            }
            (3, Value::Bytes(bytes)) => draft
                .get_or_insert_default()
                .merge(field.fields(bytes), whole)?,
            (4, Value::Bytes(bytes)) => message.chunk = Some(whole.part(bytes)),
            (5, Value::Varint(number)) => message.more = number != 0,
            (6, Value::Bytes(bytes)) => {
                status(message.end.get_or_insert_default(), field.fields(bytes))?
            }
            (7, Value::Bytes(bytes)) => {
                cancel(message.cancel.get_or_insert_default(), field.fields(bytes))?
            }
            (31, Value::Bytes(bytes)) => {
                hello(message.hello.get_or_insert_default(), field.fields(bytes))?
            }
            _ => {}
        }
    }
    Ok((message, draft))
}

fn context(context: &mut Context, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => context.invocation_id = field.text(bytes)?.to_owned(),
            (2, Value::Varint(number)) => context.attempt = number as u32,
            (3, Value::Varint(number)) => context.deadline_ms = Some(number as i64),
            (4, Value::Bytes(bytes)) => context.traceparent = field.text(bytes)?.to_owned(),
            (5, Value::Bytes(bytes)) => context.tracestate = field.text(bytes)?.to_owned(),
            (6, Value::Bytes(bytes)) => context.baggage = field.text(bytes)?.to_owned(),
            (7, Value::Bytes(bytes)) => entry(&mut context.extra, field.fields(bytes))?,
            _ => {}
        }
    }
    Ok(())
}

fn status(status: &mut Status, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => status.code = Code::from_number(number as u32),
            (2, Value::Bytes(bytes)) => status.message = field.text(bytes)?.to_owned(),
            (3, Value::Bytes(bytes)) => entry(&mut status.details, field.fields(bytes))?,
            _ => {}
        }
    }
    Ok(())
}

fn cancel(cancel: &mut Cancel, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        if let (1, Value::Bytes(bytes)) = (field.number, field.value) {
            cancel.reason = field.text(bytes)?.to_owned();
        }
    }
    Ok(())
}

fn hello(hello: &mut Hello, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => hello.fsi = field.text(bytes)?.to_owned(),
            (2, Value::Bytes(bytes)) => hello.producer = field.text(bytes)?.to_owned(),
            (3, Value::Bytes(bytes)) => status(&mut hello.status, field.fields(bytes))?,
            _ => {}
        }
    }
    Ok(())
}

/// An entry of a map from text to text; the last of a key counts.
fn entry(map: &mut BTreeMap<String, String>, mut fields: Fields<'_>) -> Result<(), Violation> {
    let (mut key, mut value) = ("", "");
    while let Some(field) = fields.next()? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => key = field.text(bytes)?,
            (2, Value::Bytes(bytes)) => value = field.text(bytes)?,
            _ => {}
        }
    }
    map.insert(key.to_owned(), value.to_owned());
    Ok(())
}
