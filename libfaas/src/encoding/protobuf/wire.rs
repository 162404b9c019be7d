//! Protobuf's wire format: fields in, nothing allocated.

use crate::error::{Rule, Violation, quote};
use crate::text::utf8;

/// The fields of one message, in the order in which they stand.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begin in the document.
    base: u64,
}

/// A field's number and value.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
    /// Where the value's bytes begin in the document.
    pub(super) at: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Of a wire type that no field of ours has: 32 or 64 bits, or a group.
    Foreign,
}

/// Groups of unknown fields may nest this deep.
const GROUPS: usize = 64;

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], base: u64) -> Self {
        Fields { bytes, at: 0, base }
    }

    /// Where these fields begin in the document.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next field; None at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Violation> {
        // Nearly all fields: a number below 16, and fewer than 128 bytes.
        if let Some(&[tag @ 8..0x80, length @ ..0x80]) = self.bytes[self.at..].first_chunk()
            && tag & 7 == 2
            && let start = self.at + 2
            && let Some(bytes) = self.bytes.get(start..start + usize::from(length))
        {
            self.at = start + bytes.len();
            return Ok(Some(Field {
                number: u32::from(tag >> 3),
                value: Value::Bytes(bytes),
                at: self.base + start as u64,
            }));
        }
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        self.any()
    }

    #[inline(never)]
    fn any(&mut self) -> Result<Option<Field<'a>>, Violation> {
        let (number, wire_type) = self.tag()?;
        if wire_type == END_GROUP {
            return Err(self.fault("a field", "the end of a group that has not begun"));
        }
        let value = self.value(number, wire_type, 0)?;
        let length = if let Value::Bytes(bytes) = value {
            bytes.len()
        } else {
            0
        };
        Ok(Some(Field {
            number,
            value,
            at: self.base + (self.at - length) as u64,
        }))
    }

    fn tag(&mut self) -> Result<(u32, u64), Violation> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number @ 1..=0x1FFF_FFFF) => Ok((number, tag & 7)),
            _ => Err(self.fault("a field number from 1 to 536870911", "another")),
        }
    }

    fn value(&mut self, number: u32, wire_type: u64, depth: usize) -> Result<Value<'a>, Violation> {
        match wire_type {
            0 => return self.varint().map(Value::Varint),
            1 => self.take(8)?,
            2 => {
                let length = self.varint()?;
                return self.take(length).map(Value::Bytes);
            }
            3 if depth == GROUPS => return Err(self.fault("at most 64 nested groups", "one more")),
            3 => loop {
                match self.tag()? {
                    (end, END_GROUP) if end == number => break &[][..],
                    (_, END_GROUP) => {
                        return Err(self.fault("the end of the group that is open", "another"));
                    }
                    (number, wire_type) => self.value(number, wire_type, depth + 1)?,
                };
            },
            5 => self.take(4)?,
            _ => return Err(self.fault("a wire type from 0 to 5", "another")),
        };
        Ok(Value::Foreign)
    }

    fn varint(&mut self) -> Result<u64, Violation> {
        let rest = &self.bytes[self.at..];
        if let Some(&byte @ ..0x80) = rest.first() {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        let mut number = 0u64;
        for (at, &byte) in rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if at == 9 && bits > 1 {
                break;
            }
            number |= bits << (7 * at);
            if byte < 0x80 {
                self.at += at + 1;
                return Ok(number);
            }
        }
        let came = if rest.len() < 10 {
            "the end of the bytes"
        } else {
            "one of more than 64 bits"
        };
        Err(self.fault("a varint", came))
    }

    /// A length is compared with what is there; nothing is allocated for it.
    fn take(&mut self, length: u64) -> Result<&'a [u8], Violation> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
        {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => {
                let came = format!("{} before the end", rest.len());
                Err(self.fault(format!("{length} bytes"), came))
            }
        }
    }

    fn fault(
        &self,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        came: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Violation {
        Violation::new(Rule::Malformed, self.base + self.at as u64, expected, came)
    }
}

const END_GROUP: u64 = 4;

impl<'a> Field<'a> {
    /// The value as text.
    #[inline]
    pub(super) fn text(&self, bytes: &'a [u8]) -> Result<&'a str, Violation> {
        utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let came = quote(&bytes[at..bytes.len().min(at + 8)]);
            Violation::new(
                Rule::ProtobufUtf8,
                self.at + at as u64,
                "UTF-8 in a string",
                came,
            )
        })
    }

    /// The value as the fields of a message.
    pub(super) fn fields(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields::new(bytes, self.at)
    }
}
