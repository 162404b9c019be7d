//! Protobuf's wire format: fields in, nothing allocated.

use crate::error::{Rule, Violation, quote};
use crate::text::ascii;

/// The fields of one message, in the order in which they stand.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// What has not been read.
    rest: &'a [u8],
    /// Where it ends in the document.
    end: u64,
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
    #[inline]
    pub(super) fn new(bytes: &'a [u8], base: u64) -> Self {
        Fields {
            rest: bytes,
            end: base + bytes.len() as u64,
        }
    }

    /// Where the next field begins in the document.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.end - self.rest.len() as u64
    }

    /// What has not been read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field and what is behind it, where its number is below 16 and its value fewer than
    /// 128 bytes: nearly all. It decides nothing; what is None here is for [`next`](Self::next).
    #[inline(always)]
    pub(super) fn short(self) -> Option<(u8, &'a [u8], Self)> {
        let [tag @ 8..0x80, length @ ..0x80, rest @ ..] = self.rest else {
            return None;
        };
        let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
        let end = self.end;
        (tag & 7 == 2).then_some((tag >> 3, bytes, Fields { rest, end }))
    }

    /// The next field; None at the end.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Violation> {
        let (tag, number) = match self.rest {
            // Nearly all: a field number below 16, and a number or a length below 128.
            [tag @ 8..0x80, number @ ..0x80, rest @ ..] if tag & 5 == 0 => {
                self.rest = rest;
                (u64::from(*tag), u64::from(*number))
            }
            [] => return Ok(None),
            _ => self.head(),
        };
        let field = (tag >> 3) as u32;
        if tag & 2 != 0 {
            let bytes = self.take(number)?;
            let at = self.position() - bytes.len() as u64;
            return Ok(Some(Field {
                number: field,
                value: Value::Bytes(bytes),
                at,
            }));
        }
        let (field, value) = match tag {
            0 => (self.foreign()?, Value::Foreign),
            _ => (field, Value::Varint(number)),
        };
        Ok(Some(Field {
            number: field,
            value,
            at: self.position(),
        }))
    }

    /// The tag of a field and its number or its length. A tag of 0, and nothing read, where there is
    /// a fault or a field of another kind.
    #[inline(never)]
    fn head(&mut self) -> (u64, u64) {
        let mut ahead = *self;
        let Ok((field, wire_type @ (0 | 2))) = ahead.tag() else {
            return (0, 0);
        };
        let Ok(number) = ahead.varint() else {
            return (0, 0);
        };
        *self = ahead;
        (u64::from(field) << 3 | wire_type, number)
    }

    /// The number of a field that is passed over, or the fault.
    #[cold]
    fn foreign(&mut self) -> Result<u32, Violation> {
        let (number, wire_type) = self.tag()?;
        if wire_type == END_GROUP {
            return Err(self.fault("a field", "the end of a group that has not begun"));
        }
        self.skip(number, wire_type, 0)?;
        Ok(number)
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u64), Violation> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number @ 1..=0x1FFF_FFFF) => Ok((number, tag & 7)),
            _ => Err(self.fault("a field number from 1 to 536870911", "another")),
        }
    }

    /// Passes over the value of a field that nobody asks for.
    fn skip(&mut self, number: u32, wire_type: u64, depth: usize) -> Result<(), Violation> {
        match wire_type {
            0 => self.varint().map(drop),
            1 => self.take(8).map(drop),
            2 => {
                let length = self.varint()?;
                self.take(length).map(drop)
            }
            3 if depth == GROUPS => Err(self.fault("at most 64 nested groups", "one more")),
            3 => loop {
                match self.tag()? {
                    (end, END_GROUP) if end == number => break Ok(()),
                    (_, END_GROUP) => {
                        return Err(self.fault("the end of the group that is open", "another"));
                    }
                    (number, wire_type) => self.skip(number, wire_type, depth + 1)?,
                }
            },
            5 => self.take(4).map(drop),
            _ => Err(self.fault("a wire type from 0 to 5", "another")),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Violation> {
        let (mut number, mut shift) = (0, 0);
        let mut rest = self.rest;
        while let [byte, behind @ ..] = rest {
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if shift == 63 && *byte > 1 {
                return Err(self.fault("a varint", "one of more than 64 bits"));
            }
            number |= bits << shift;
            rest = behind;
            if *byte < 0x80 {
                self.rest = rest;
                return Ok(number);
            }
            shift += 7;
        }
        Err(self.fault("a varint", "the end of the bytes"))
    }

    /// A length is compared with what is there; nothing is allocated for it.
    #[inline(always)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Violation> {
        let split = usize::try_from(length).ok();
        match split.and_then(|length| self.rest.split_at_checked(length)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.too_few(length)),
        }
    }

    #[cold]
    fn too_few(&self, length: u64) -> Violation {
        let came = format!("{} before the end", self.rest.len());
        self.fault(format!("{length} bytes"), came)
    }

    #[cold]
    fn fault(
        &self,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        came: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Violation {
        Violation::new(Rule::Malformed, self.position(), expected, came)
    }
}

const END_GROUP: u64 = 4;

impl<'a> Field<'a> {
    /// The value as text.
    #[inline(always)]
    pub(super) fn text(&self, bytes: &'a [u8]) -> Result<&'a str, Violation> {
        ascii(bytes).map_or_else(|| self.text_beyond_ascii(bytes), Ok)
    }

    #[inline(never)]
    fn text_beyond_ascii(&self, bytes: &'a [u8]) -> Result<&'a str, Violation> {
        std::str::from_utf8(bytes).map_err(|error| {
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
    #[inline]
    pub(super) fn fields(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields::new(bytes, self.at)
    }
}
