//! One pass over JSON text (RFC 8259) that notes where its values stand.

use super::{Kind, Node};

/// Levels of arrays and objects, as many as libfaas takes.
const MAX_LEVELS: usize = 128;

/// Where the text stops being JSON, and what had to stand there.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

/// The values of the one document that the text is.
pub(super) fn nodes(text: &str) -> Result<Vec<Node>, Fault> {
    if u32::try_from(text.len()).is_err() {
        let expected = "at most 4 GiB of JSON";
        return Err(Fault { at: 0, expected });
    }
    let mut parser = Parser {
        bytes: text.as_bytes(),
        at: 0,
        levels: 0,
        nodes: Vec::with_capacity(text.len() / 16 + 1),
    };
    parser.value((0, 0))?;
    match parser.next() {
        None => Ok(parser.nodes),
        Some(_) => Err(parser.fault("the end of the JSON document")),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: usize,
    nodes: Vec<Node>,
}

impl Parser<'_> {
    fn value(&mut self, name: (u32, u32)) -> Result<(), Fault> {
        let first = self.next();
        let kind = match first {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => return Err(self.fault("a JSON value")),
        };
        let index = self.nodes.len();
        let start = self.at as u32;
        self.nodes.push(Node {
            kind,
            start,
            end: start,
            name,
            after: 0,
        });
        match kind {
            Kind::Object => self.object()?,
            Kind::Array => self.array()?,
            Kind::String => self.string()?,
            Kind::Number => self.number()?,
            Kind::Boolean | Kind::Null => self.literal()?,
        }
        let after = self.nodes.len() as u32;
        let node = &mut self.nodes[index];
        (node.end, node.after) = (self.at as u32, after);
        Ok(())
    }

    fn object(&mut self) -> Result<(), Fault> {
        self.enter()?;
        let mut more = self.next() != Some(b'}');
        while more {
            if self.next() != Some(b'"') {
                return Err(self.fault("the name of a member"));
            }
            let start = self.at as u32 + 1;
            self.string()?;
            let name = (start, self.at as u32 - 1);
            if self.next() != Some(b':') {
                return Err(self.fault("`:`"));
            }
            self.at += 1;
            self.value(name)?;
            more = self.comma(b'}', "`,` or `}`")?;
        }
        self.leave();
        Ok(())
    }

    fn array(&mut self) -> Result<(), Fault> {
        self.enter()?;
        let mut more = self.next() != Some(b']');
        while more {
            self.value((0, 0))?;
            more = self.comma(b']', "`,` or `]`")?;
        }
        self.leave();
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.levels == MAX_LEVELS {
            return Err(self.fault("at most 128 levels of arrays and objects"));
        }
        self.levels += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.levels -= 1;
        self.at += 1;
    }

    /// Whether another item follows; stops at the closing bracket if not.
    fn comma(&mut self, close: u8, expected: &'static str) -> Result<bool, Fault> {
        match self.next() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => Ok(false),
            _ => Err(self.fault(expected)),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
            self.at += plain.unwrap_or(rest.len());
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => {
                    return Err(self.fault("a string without control characters, and its end"));
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.at + 1..];
        match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_hexdigit()) => {
                self.at += 6;
            }
            _ => return Err(self.fault("an escape of RFC 8259")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"eE") {
            self.take(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => Err(self.fault("a digit")),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    fn literal(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
        match literals
            .into_iter()
            .find(|literal| rest.starts_with(literal))
        {
            Some(literal) => {
                self.at += literal.len();
                Ok(())
            }
            None => Err(self.fault("true, false or null")),
        }
    }

    /// Moves past one of these bytes, if it stands here.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let here = self
            .bytes
            .get(self.at)
            .is_some_and(|byte| bytes.contains(byte));
        self.at += usize::from(here);
        here
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, expected: &'static str) -> Fault {
        Fault {
            at: self.at,
            expected,
        }
    }
}
