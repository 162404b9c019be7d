//! The faults that no encoder of the library can be talked into: they change encoded bytes.

use libfaas::{Code, Encoding, Message};

use crate::fault::fault;

/// The encoded bytes of `message`, or what a fault makes of them.
pub(crate) fn message(bytes: Vec<u8>, message: &Message, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => json(bytes, message),
        Encoding::Protobuf => protobuf(bytes, message),
        Encoding::Capnp if fault!("capnp-packed") => packed(&bytes),
        Encoding::Capnp => bytes,
    }
}

fn json(bytes: Vec<u8>, message: &Message) -> Vec<u8> {
    let replace = |from: &str, to: &str| {
        String::from_utf8_lossy(&bytes)
            .replacen(from, to, 1)
            .into_bytes()
    };
    let call = format!("\"call\":{}", message.call);
    if message.event.is_some() {
        if fault!("json-two-on-a-line") {
            return [format!("{{{call}}} ").as_bytes(), &bytes].concat();
        }
        if fault!("json-pretty") {
            return replace(",", ",\n  ");
        }
        if fault!("json-member-twice") {
            return replace(&call, &format!("{call},{call}"));
        }
    }
    if let Some(end) = &message.end
        && end.code == Code::Unauthenticated
        && fault!("status-code-lowercase")
    {
        return replace(end.code.name(), &end.code.name().to_lowercase());
    }
    bytes
}

fn protobuf(bytes: Vec<u8>, message: &Message) -> Vec<u8> {
    let (_, start) = varint(&bytes).expect("the encoder writes a length");
    let body = &bytes[start..];
    if message.event.is_some() && (fault!("protobuf-call-last") || fault!("protobuf-event-twice")) {
        let mut fields = fields(body).expect("the encoder writes fields");
        if fault!("protobuf-call-last") {
            fields.rotate_left(1);
        } else {
            fields.extend(fields.clone().into_iter().filter(|field| field[0] == EVENT));
        }
        let body = fields.concat();
        let mut changed = Vec::new();
        put_varint(body.len() as u64, &mut changed);
        changed.extend(body);
        return changed;
    }
    if fault!("status-code-large")
        && let Some(end) = &message.end
        && end.code == Code::Unauthenticated
    {
        // The status is the last field of such a message, its code the status's first.
        let code = [0x08, end.code.number() as u8];
        let at = bytes.windows(2).rposition(|window| window == code);
        let mut large = bytes.clone();
        large[at.expect("an encoded code") + 1] = 17;
        return large;
    }
    bytes
}

/// Cap'n Proto's packing, in its simplest form: a byte that tells which bytes of a word are not
/// zero, then those.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for word in bytes.chunks(8) {
        let tag = (0..word.len())
            .filter(|at| word[*at] != 0)
            .fold(0, |tag, at| tag | 1 << at);
        packed.push(tag);
        packed.extend(word.iter().filter(|byte| **byte != 0));
        if matches!(tag, 0x00 | 0xff) {
            packed.push(0);
        }
    }
    packed
}

/// A Protobuf message as read by a decoder that keeps the first of what stands twice, or forgets
/// it. What is no message stays what it is.
pub(crate) fn misread(message: &[u8]) -> Vec<u8> {
    match fields(message) {
        Some(fields) => misread_fields(fields).unwrap_or_else(|| message.to_vec()),
        None => message.to_vec(),
    }
}

fn misread_fields(mut fields: Vec<&[u8]>) -> Option<Vec<u8>> {
    if fault!("protobuf-event-replaced")
        && let Some(last) = fields.iter().rposition(|field| field[0] == EVENT)
    {
        let last = fields[last];
        fields.retain(|field| field[0] != EVENT || std::ptr::eq(*field, last));
    }
    let mut misread = Vec::new();
    for field in fields {
        if field[0] == EVENT && fault!("protobuf-attribute-first") {
            let event = first_attributes(contents(field)?)?;
            misread.push(EVENT);
            put_varint(event.len() as u64, &mut misread);
            misread.extend(event);
        } else {
            misread.extend_from_slice(field);
        }
    }
    Some(misread)
}

/// An event without the attributes whose name stood before.
fn first_attributes(event: &[u8]) -> Option<Vec<u8>> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut kept = Vec::new();
    for field in fields(event)? {
        // An attribute is an entry of a map, and begins with its name.
        let name = match field[0] {
            ATTRIBUTE => *fields(contents(field)?)?.first()?,
            _ => &[],
        };
        if name.is_empty() || !names.contains(&name) {
            kept.extend_from_slice(field);
        }
        names.push(name);
    }
    Some(kept)
}

/// The tags of `event` in a message and of `attributes` in an event.
const EVENT: u8 = 3 << 3 | 2;
const ATTRIBUTE: u8 = 5 << 3 | 2;

/// The fields of a Protobuf message, each with its tag.
fn fields(mut message: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (field, rest) = message.split_at_checked(field_len(message)?)?;
        fields.push(field);
        message = rest;
    }
    Some(fields)
}

/// What a field with a tag of one byte holds.
fn contents(field: &[u8]) -> Option<&[u8]> {
    let (_, prefix) = varint(field.get(1..)?)?;
    field.get(1 + prefix..)
}

/// The length of the field that `bytes` begins with: a varint, or bytes after their length.
fn field_len(bytes: &[u8]) -> Option<usize> {
    let (tag, tag_len) = varint(bytes)?;
    let (value, value_len) = varint(&bytes[tag_len..])?;
    match tag & 7 {
        0 => Some(tag_len + value_len),
        2 => (tag_len + value_len).checked_add(usize::try_from(value).ok()?),
        _ => None,
    }
}

/// The value of the varint that `bytes` begins with, and its length.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = bytes.iter().take(10).position(|byte| *byte < 0x80)? + 1;
    let value = bytes[..len]
        .iter()
        .rev()
        .fold(0, |value: u64, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, len))
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
