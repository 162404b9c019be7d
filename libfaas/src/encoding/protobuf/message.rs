//! `fsi.v1.Message` and the messages inside it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::event::Draft;
use super::wire::Fields;
use crate::{Cancel, Code, Context, Hello, Message, Status, Violation};

/// Reads a message whose event is still a draft, since `more` stands after it.
pub(super) fn read(whole: &Bytes) -> Result<(Message, Option<Draft<'_>>), Violation> {
    let mut message = Message::default();
    let mut draft: Option<Draft<'_>> = None;
    let mut fields = Fields::new(whole, 0);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => message.call = field.varint()?,
            2 => context(message.context.get_or_insert_default(), field.fields()?)?,
            3 => draft.get_or_insert_default().merge(field.fields()?)?,
            4 => message.chunk = Some(whole.slice_ref(field.bytes()?)),
            5 => message.more = field.varint()? != 0,
            6 => status(message.end.get_or_insert_default(), field.fields()?)?,
            7 => cancel(message.cancel.get_or_insert_default(), field.fields()?)?,
            31 => hello(message.hello.get_or_insert_default(), field.fields()?)?,
            _ => {}
        }
    }
    Ok((message, draft))
}

fn context(context: &mut Context, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match field.number {
            1 => context.invocation_id = field.text()?.to_owned(),
            2 => context.attempt = field.varint()? as u32,
            3 => context.deadline_ms = Some(field.varint()? as i64),
            4 => context.traceparent = field.text()?.to_owned(),
            5 => context.tracestate = field.text()?.to_owned(),
            6 => context.baggage = field.text()?.to_owned(),
            7 => entry(&mut context.extra, field.fields()?)?,
            _ => {}
        }
    }
    Ok(())
}

fn status(status: &mut Status, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match field.number {
            1 => status.code = Code::from_number(field.varint()? as u32),
            2 => status.message = field.text()?.to_owned(),
            3 => entry(&mut status.details, field.fields()?)?,
            _ => {}
        }
    }
    Ok(())
}

fn cancel(cancel: &mut Cancel, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            cancel.reason = field.text()?.to_owned();
        }
    }
    Ok(())
}

fn hello(hello: &mut Hello, mut fields: Fields<'_>) -> Result<(), Violation> {
    while let Some(field) = fields.next()? {
        match field.number {
            1 => hello.fsi = field.text()?.to_owned(),
            2 => hello.producer = field.text()?.to_owned(),
            3 => status(&mut hello.status, field.fields()?)?,
            _ => {}
        }
    }
    Ok(())
}

/// An entry of a map from text to text; the last of a key counts.
fn entry(map: &mut BTreeMap<String, String>, mut fields: Fields<'_>) -> Result<(), Violation> {
    let (mut key, mut value) = ("", "");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    map.insert(key.to_owned(), value.to_owned());
    Ok(())
}
