//! A strict reader of JSON text (RFC 8259) in one pass: it bounds the depth, finds members that
//! stand twice, and gives raw text where digits and escapes have to stay as they are.

use std::borrow::Cow;
use std::collections::HashSet;

use super::scan;
use crate::Violation;
use crate::error::{Rule, quote};

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The greatest depth since it was last reset.
    deepest: usize,
    max_depth: usize,
    /// Where the name of the latest member begins.
    name: usize,
}

/// The text of one value.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a str,
    /// Where it begins in the document.
    pub(crate) at: usize,
    /// How deep arrays and objects nest in it.
    pub(crate) levels: usize,
}

impl<'a> Raw<'a> {
    /// What stands between the quotation marks, if this is a string without escapes.
    pub(crate) fn plain_string(&self) -> Option<&'a str> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        memchr::memchr(b'\\', inner.as_bytes())
            .is_none()
            .then_some(inner)
    }
}

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// Whether a member may stand twice in an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    Allowed,
    Malformed,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Reader {
            text,
            at: 0,
            depth: 0,
            deepest: 0,
            max_depth,
            name: 0,
        }
    }

    /// One value that is the whole text.
    pub(crate) fn document_value(&mut self) -> Result<Raw<'a>, Violation> {
        let value = self.value(Twice::Allowed)?;
        self.end()?;
        Ok(value)
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("nothing more")),
        }
    }

    /// Bytes before the next value.
    pub(crate) fn offset(&mut self) -> usize {
        self.next_byte();
        self.at
    }

    /// Bytes before the name of the member that is being read.
    pub(crate) fn name_offset(&self) -> usize {
        self.name
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Result<Kind, Violation> {
        Ok(match self.next_byte() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => return Err(self.unexpected("a JSON value")),
        })
    }

    /// An object; `member` is called after each name and has to read the value.
    pub(crate) fn object(
        &mut self,
        twice: Twice,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.open(b'{')?;
        let mut seen = Seen::new();
        let mut more = self.next_byte() != Some(b'}');
        while more {
            let at = self.offset();
            let text = self.string()?;
            let name = text.decode().unwrap_or(Cow::Borrowed(text.raw));
            if twice == Twice::Malformed && !seen.insert(&text, &name) {
                let came = format!("{} for the second time", quote(name.as_bytes()));
                return Err(Violation::new(
                    Rule::JsonDuplicate,
                    at as u64,
                    "each member once",
                    came,
                ));
            }
            self.expect(b':', "`:`")?;
            self.name = at;
            member(self, name)?;
            more = self.comma(b'}')?;
        }
        self.close(b'}')
    }

    /// An array; `item` has to read each value.
    pub(crate) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.open(b'[')?;
        let mut more = self.next_byte() != Some(b']');
        while more {
            item(self)?;
            more = self.comma(b']')?;
        }
        self.close(b']')
    }

    /// Any value, as its text.
    pub(crate) fn value(&mut self, twice: Twice) -> Result<Raw<'a>, Violation> {
        let at = self.offset();
        self.deepest = self.depth;
        match twice {
            Twice::Allowed => self.skim()?,
            Twice::Malformed => self.skip()?,
        }
        Ok(Raw {
            text: &self.text[at..self.at],
            at,
            levels: self.deepest - self.depth,
        })
    }

    /// A string.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Violation> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let escaped = self.string_rest()?;
        self.at += 1;
        Ok(Text {
            raw: &self.text[start..self.at - 1],
            escaped,
        })
    }

    /// What stands between the quotation marks of a string, of which the first has been read. Whether
    /// it has escapes.
    fn string_rest(&mut self) -> Result<bool, Violation> {
        let mut escaped = false;
        loop {
            self.at = scan::plain(self.text.as_bytes(), self.at);
            match self.byte() {
                Some(b'"') => return Ok(escaped),
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => {
                    return Err(self.unexpected("a string without control characters, and its end"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), Violation> {
        self.at += 1;
        let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u')
                if self
                    .text
                    .as_bytes()
                    .get(self.at + 1..self.at + 5)
                    .is_some_and(hex) =>
            {
                self.at += 5
            }
            _ => {
                // What is there of an escape that is cut is good.
                let rest = &self.text.as_bytes()[self.at..];
                if rest
                    .split_first()
                    .is_some_and(|(u, digits)| *u == b'u' && hex(digits))
                {
                    self.at = self.text.len();
                }
                return Err(self.unexpected("an escape of RFC 8259"));
            }
        }
        Ok(())
    }

    /// Goes past a value in which no member stands twice.
    fn skip(&mut self) -> Result<(), Violation> {
        match self.kind()? {
            Kind::Object => self.object(Twice::Malformed, |reader, _| reader.skip()),
            Kind::Array => self.array(Self::skip),
            _ => self.scalar(),
        }
    }

    /// Goes past a value whatever its members are called: the data of an event, which is most of a
    /// document. No recursion, and nothing is kept but which brackets are open.
    fn skim(&mut self) -> Result<(), Violation> {
        let mut brackets = scan::Brackets::default();
        loop {
            // A value.
            match self.next_byte() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.open(bracket)?;
                    let brace = bracket == b'{';
                    // Their closing counterparts are two further in ASCII.
                    if self.next_byte() != Some(bracket + 2) {
                        brackets.open(brace);
                        if brace {
                            self.member_name()?;
                        }
                        continue;
                    }
                    self.at += 1;
                    self.depth -= 1;
                }
                _ => self.scalar()?,
            }
            // What follows it: as many ends as there are, and the next value.
            loop {
                if brackets.depth() == 0 {
                    return Ok(());
                }
                let brace = brackets.in_object();
                match self.next_byte() {
                    Some(b',') => {
                        self.at += 1;
                        if brace {
                            self.member_name()?;
                        }
                        break;
                    }
                    Some(bracket) if bracket == if brace { b'}' } else { b']' } => {
                        self.at += 1;
                        self.depth -= 1;
                        brackets.close();
                    }
                    _ => return Err(self.unexpected("`,` or the end of the object or array")),
                }
            }
        }
    }

    /// The name of a member, and the colon.
    #[inline]
    fn member_name(&mut self) -> Result<(), Violation> {
        self.expect(b'"', "a string")?;
        self.string_rest()?;
        self.at += 1;
        self.expect(b':', "`:`")
    }

    /// A value that is no object and no array.
    #[inline]
    fn scalar(&mut self) -> Result<(), Violation> {
        let literal: &[u8] = match self.next_byte() {
            Some(b'"') => {
                self.at += 1;
                self.string_rest()?;
                self.at += 1;
                return Ok(());
            }
            Some(b'-' | b'0'..=b'9') => return self.number(),
            Some(b't') => b"true",
            Some(b'f') => b"false",
            Some(b'n') => b"null",
            _ => return Err(self.unexpected("a JSON value")),
        };
        let rest = &self.text.as_bytes()[self.at..];
        if !rest.starts_with(literal) {
            if literal.starts_with(rest) {
                self.at = self.text.len();
            }
            return Err(self.unexpected("true, false or null"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Violation> {
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

    fn digits(&mut self) -> Result<(), Violation> {
        let end = scan::digits(self.text.as_bytes(), self.at);
        if end == self.at {
            return Err(self.unexpected("a digit"));
        }
        self.at = end;
        Ok(())
    }

    /// Moves past one of these bytes, if it stands here.
    #[inline]
    fn take(&mut self, bytes: &[u8]) -> bool {
        let here = self.byte().is_some_and(|b| bytes.contains(&b));
        self.at += usize::from(here);
        here
    }

    fn open(&mut self, bracket: u8) -> Result<(), Violation> {
        if self.next_byte() != Some(bracket) {
            let expected = if bracket == b'{' {
                "a JSON object"
            } else {
                "a JSON array"
            };
            return Err(self.unexpected(expected));
        }
        if self.depth == self.max_depth {
            let expected = format!("at most {} levels of arrays and objects", self.max_depth);
            return Err(Violation::new(
                Rule::JsonDepth,
                self.at as u64,
                expected,
                "one more",
            ));
        }
        self.at += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), Violation> {
        self.depth -= 1;
        self.expect(bracket, "the end of the object or array")
    }

    /// After an item: whether another one follows.
    fn comma(&mut self, bracket: u8) -> Result<bool, Violation> {
        if self.next_byte() == Some(bracket) {
            return Ok(false);
        }
        self.expect(b',', "`,` or the end of the object or array")?;
        Ok(true)
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Violation> {
        if self.next_byte() != Some(byte) {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        self.at = scan::space(self.text.as_bytes(), self.at);
        self.byte()
    }

    fn unexpected(&self, expected: &'static str) -> Violation {
        let rest = &self.text.as_bytes()[self.at..];
        let violation = |came| Violation::new(Rule::JsonObject, self.at as u64, expected, came);
        match rest {
            // What people meet who write JSON by hand.
            [] => violation("the end of the text".to_owned())
                .advise("put each object on a line of its own, as `jq -c .` does"),
            rest => violation(quote(&rest[..rest.len().min(24)])),
        }
    }
}

/// A string as it stands between its quotes; its escapes are well-formed.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    escaped: bool,
}

/// A string with half a surrogate pair has no Unicode text.
pub(crate) struct LoneSurrogate;

impl<'a> Text<'a> {
    /// The text, borrowed where it has no escapes.
    pub(crate) fn decode(self) -> Result<Cow<'a, str>, LoneSurrogate> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.raw));
        }
        let quoted = format!("\"{}\"", self.raw);
        serde_json::from_str(&quoted)
            .map(Cow::Owned)
            .map_err(|_| LoneSurrogate)
    }
}

/// Names of an object: few in an honest one and without escapes, so hashing starts late.
struct Seen<'a> {
    few: [&'a str; 12],
    count: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Seen<'a> {
    fn new() -> Self {
        Seen {
            few: [""; 12],
            count: 0,
            many: None,
        }
    }

    /// False if the name was there. `name` is `text` without its escapes.
    fn insert(&mut self, text: &Text<'a>, name: &str) -> bool {
        if self.few[..self.count].contains(&name) {
            return false;
        }
        if !text.escaped && self.count < self.few.len() {
            self.few[self.count] = text.raw;
            self.count += 1;
            return self.many.as_ref().is_none_or(|many| !many.contains(name));
        }
        let name = if text.escaped {
            Cow::Owned(name.to_owned())
        } else {
            Cow::Borrowed(text.raw)
        };
        self.many.get_or_insert_default().insert(name)
    }
}
