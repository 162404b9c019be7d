//! The faults that no encoder of the library can be talked into: they change encoded bytes.

use libfaas::{Encoding, Message};

use crate::fault::fault;

/// The encoded bytes of `message`, or what a fault makes of them.
pub(crate) fn message(bytes: Vec<u8>, message: &Message, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => json(bytes, message),
        Encoding::Protobuf => protobuf(bytes, message),
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
        && !end.is_ok()
        && fault!("status-code-lowercase")
    {
        return replace(end.code.name(), &end.code.name().to_lowercase());
    }
    bytes
}

fn protobuf(bytes: Vec<u8>, message: &Message) -> Vec<u8> {
    let start = bytes.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let body = &bytes[start..];
    if fault!("protobuf-call-last") && message.event.is_some() {
        let call = field_len(body);
        return [&bytes[..start], &body[call..], &body[..call]].concat();
    }
    if fault!("protobuf-event-twice") && message.event.is_some() {
        let mut at = 0;
        while body[at] != 0x1a {
            at += field_len(&body[at..]);
        }
        let event = &body[at..at + field_len(&body[at..])];
        let mut twice = Vec::new();
        put_varint((body.len() + event.len()) as u64, &mut twice);
        twice.extend_from_slice(body);
        twice.extend_from_slice(event);
        return twice;
    }
    if fault!("status-code-large")
        && let Some(end) = &message.end
        && !end.is_ok()
    {
        // The status is the last field of such a message, its code the status's first.
        let code = [0x08, end.code.number() as u8];
        let at = body
            .windows(2)
            .rposition(|window| window == code)
            .expect("an encoded code");
        let mut large = bytes.clone();
        large[start + at + 1] = 99;
        return large;
    }
    bytes
}

/// The length of the field that `bytes` begins with: a varint, or bytes after their length.
fn field_len(bytes: &[u8]) -> usize {
    let (tag, tag_len) = varint(bytes);
    let (value, value_len) = varint(&bytes[tag_len..]);
    match tag & 7 {
        2 => tag_len + value_len + value as usize,
        _ => tag_len + value_len,
    }
}

/// The value of the varint that `bytes` begins with, and its length.
pub(crate) fn varint(bytes: &[u8]) -> (u64, usize) {
    let len = bytes.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let value = bytes[..len]
        .iter()
        .rev()
        .fold(0, |value: u64, byte| value << 7 | u64::from(byte & 0x7f));
    (value, len)
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
