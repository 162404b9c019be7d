//! What a sender's bytes have to be like although every decoder forgives it.

/// The messages of a Protobuf stream, looked at before they are decoded.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pending: Vec<u8>,
}

/// The tags of `call`, `event` and `hello` (spec/messages.md).
const CALL: u64 = 1 << 3;
const EVENT: u64 = 3 << 3 | 2;
const HELLO: u64 = 31 << 3 | 2;

impl Wire {
    /// Takes bytes; gives the rule that a message among them breaks, and how.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<(&'static str, String)> {
        self.pending.extend_from_slice(bytes);
        while let Some((len, prefix)) = varint(&self.pending) {
            let end = prefix.checked_add(usize::try_from(len).ok()?)?;
            if end > self.pending.len() {
                return None;
            }
            let message: Vec<u8> = self.pending.drain(..end).skip(prefix).collect();
            let Some(tags) = tags(&message) else { continue };
            let events = tags.iter().filter(|tag| **tag == EVENT).count();
            if events > 1 {
                return Some((
                    "protobuf-event-once",
                    format!("a message with the field `event` {events} times"),
                ));
            }
            // Call 0 is the default, which Protobuf leaves out.
            if tags
                .first()
                .is_some_and(|first| *first != CALL && *first != HELLO)
            {
                return Some((
                    "protobuf-call-first",
                    "a message whose first field is not `call`".to_owned(),
                ));
            }
        }
        None
    }
}

/// The tags of a message's fields; `None` if it is no message, which the decoder says better.
fn tags(mut message: &[u8]) -> Option<Vec<u64>> {
    let mut tags = Vec::new();
    while !message.is_empty() {
        let (tag, len) = varint(message)?;
        message = &message[len..];
        let skip = match tag & 7 {
            0 => varint(message)?.1,
            1 => 8,
            2 => {
                let (len, prefix) = varint(message)?;
                prefix.checked_add(usize::try_from(len).ok()?)?
            }
            5 => 4,
            _ => return None,
        };
        message = message.get(skip..)?;
        tags.push(tag);
    }
    Some(tags)
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = bytes.iter().take(10).position(|byte| *byte < 0x80)? + 1;
    let value = bytes[..len]
        .iter()
        .rev()
        .fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_number_of_fields() {
        let rule = |bytes: &[u8]| {
            let mut wire = Wire::default();
            // Byte by byte: a message is looked at once it is whole.
            bytes
                .iter()
                .find_map(|byte| wire.feed(&[*byte]))
                .map(|(rule, _)| rule)
        };
        assert_eq!(
            rule(b"\x03\xfa\x01\x00\x04\x08\x01\x32\x00"),
            None,
            "hello; call, end"
        );
        assert_eq!(rule(b"\x04\x32\x00\x08\x01"), Some("protobuf-call-first"));
        assert_eq!(
            rule(b"\x06\x08\x01\x1a\x00\x1a\x00"),
            Some("protobuf-event-once")
        );
    }
}
