//! A value in a document, and the ways to ask it.

use std::borrow::Cow;

use libfaas::JsonText;

use super::{Json, Node};
use crate::Error;
use crate::error::quote;

/// A value in a [`Json`] document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'j> {
    json: &'j Json<'j>,
    at: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl<'j> Value<'j> {
    pub(super) fn new(json: &'j Json<'j>, at: usize) -> Self {
        Value { json, at }
    }

    fn node(&self) -> Node {
        self.json.nodes[self.at]
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Its text, as it came.
    pub fn raw(&self) -> &'j str {
        let Node { start, end, .. } = self.node();
        &self.json.text[start as usize..end as usize]
    }

    /// Of a member: its name and its text, as they came.
    pub(crate) fn raw_member(&self) -> String {
        let (start, end) = self.node().name;
        let name = &self.json.text[start as usize..end as usize];
        format!("\"{name}\":{}", self.raw())
    }

    /// Its text, to be the data of an event.
    pub fn data(&self) -> JsonText {
        JsonText::new(self.raw()).expect("a value of a document that was read is JSON")
    }

    /// The values in an array or an object.
    fn children(&self) -> impl Iterator<Item = Value<'j>> + use<'j> {
        let Value { json, at } = *self;
        let after = self.node().after as usize;
        let first = (at + 1 < after).then_some(at + 1);
        std::iter::successors(first, move |&at| {
            let next = json.nodes[at].after as usize;
            (next < after).then_some(next)
        })
        .map(move |at| Value { json, at })
    }

    /// Names and values of an object; nothing of anything else.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'j, str>, Value<'j>)> + use<'j> {
        let object = self.kind() == Kind::Object;
        self.children()
            .filter(move |_| object)
            .map(|child| (child.name(), child))
    }

    /// The values of an array; nothing of anything else.
    pub fn items(&self) -> impl Iterator<Item = Value<'j>> + use<'j> {
        let array = self.kind() == Kind::Array;
        self.children().filter(move |_| array)
    }

    /// The values of an array, or this value itself: for vendors that send one record alone or
    /// several in an array.
    pub fn one_or_items(&self) -> impl Iterator<Item = Value<'j>> + use<'j> {
        let one = (self.kind() != Kind::Array).then_some(*self);
        self.items().chain(one)
    }

    /// Whether it has all of these members, and none of them null.
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.get(name).is_some())
    }

    /// The member of this name, the last one if there are several; null is as good as absent.
    pub fn get(&self, name: &str) -> Option<Value<'j>> {
        if self.kind() != Kind::Object {
            return None;
        }
        self.children()
            .filter(|child| child.is_named(name))
            .last()
            .filter(|child| child.kind() != Kind::Null)
    }

    /// The value at a JSON Pointer (RFC 6901) that starts here; null is as good as absent.
    pub fn at(&self, pointer: &str) -> Option<Value<'j>> {
        let mut value = *self;
        for token in pointer.split('/').skip(1) {
            value = match value.kind() {
                Kind::Array => value.items().nth(token.parse().ok()?)?,
                _ if token.contains('~') => {
                    value.get(&token.replace("~1", "/").replace("~0", "~"))?
                }
                _ => value.get(token)?,
            };
        }
        (value.kind() != Kind::Null).then_some(value)
    }

    /// The text of a string; None of another kind of value, and of a string with half a surrogate pair.
    pub fn as_str(&self) -> Option<Cow<'j, str>> {
        let raw = self.raw();
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        decode(inner)
    }

    /// An optional string at a pointer: None if it is absent, null or empty.
    ///
    /// # Errors
    ///
    /// A value of another kind.
    pub fn text(&self, pointer: &str) -> Result<Option<Cow<'j, str>>, Error> {
        match self.at(pointer) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(value.wrong("a string")),
            },
        }
    }

    /// A required string at a pointer.
    ///
    /// # Errors
    ///
    /// A string that is absent, null or empty, and a value of another kind.
    pub fn need(&self, pointer: &str) -> Result<Cow<'j, str>, Error> {
        self.text(pointer)?
            .ok_or_else(|| self.missing(pointer, "a non-empty string"))
    }

    /// A text that is not empty, or a number's, at a pointer; None of anything else.
    pub(crate) fn scalar(&self, pointer: &str) -> Option<Cow<'j, str>> {
        let value = self.at(pointer)?;
        match value.kind() {
            Kind::Number => Some(Cow::Borrowed(value.raw())),
            _ => value.as_str().filter(|text| !text.is_empty()),
        }
    }

    /// A required string, or the text of a number, true or false, at a pointer.
    ///
    /// # Errors
    ///
    /// As [`need`](Self::need), but for those.
    pub fn need_scalar(&self, pointer: &str) -> Result<Cow<'j, str>, Error> {
        match self.at(pointer) {
            Some(value) if matches!(value.kind(), Kind::Number | Kind::Boolean) => {
                Ok(Cow::Borrowed(value.raw()))
            }
            _ => self.need(pointer),
        }
    }

    /// A required array at a pointer.
    ///
    /// # Errors
    ///
    /// An array that is absent or null, and a value of another kind.
    pub fn need_array(&self, pointer: &str) -> Result<Value<'j>, Error> {
        self.need_kind(pointer, Kind::Array, "an array")
    }

    /// A required object at a pointer.
    ///
    /// # Errors
    ///
    /// An object that is absent or null, and a value of another kind.
    pub fn need_object(&self, pointer: &str) -> Result<Value<'j>, Error> {
        self.need_kind(pointer, Kind::Object, "an object")
    }

    fn need_kind(
        &self,
        pointer: &str,
        kind: Kind,
        expected: &'static str,
    ) -> Result<Value<'j>, Error> {
        match self.at(pointer) {
            Some(value) if value.kind() == kind => Ok(value),
            Some(value) => Err(value.wrong(expected)),
            None => Err(self.missing(pointer, expected)),
        }
    }

    /// This value is not what was expected.
    pub fn wrong(&self, expected: impl Into<Cow<'static, str>>) -> Error {
        Error::payload(self.pointer(), expected, quote(self.raw()))
    }

    /// There is nothing, null or empty text at a pointer that starts here.
    pub fn missing(&self, pointer: &str, expected: impl Into<Cow<'static, str>>) -> Error {
        // The deepest value on the way says more than "nothing" if it is no object.
        let mut on_the_way = pointer;
        while let Some((before, _)) = on_the_way.rsplit_once('/') {
            on_the_way = before;
            match self.at(before) {
                Some(value) if !matches!(value.kind(), Kind::Object | Kind::Array) => {
                    return value.wrong("an object");
                }
                Some(_) => break,
                None => {}
            }
        }
        let found = match self.at(pointer) {
            Some(value) => value.raw().to_owned(),
            None => "nothing".to_owned(),
        };
        Error::payload(self.pointer() + pointer, expected, found)
    }

    /// Where it stands in its document: a JSON Pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        let mut value = self.json.root();
        while value.at != self.at {
            let inside = |child: &Value<'_>| self.at < child.node().after as usize;
            let Some((index, child)) = value
                .children()
                .enumerate()
                .find(|(_, child)| inside(child))
            else {
                break;
            };
            pointer.push('/');
            match value.kind() {
                Kind::Array => pointer.push_str(&index.to_string()),
                _ => pointer.push_str(&child.name().replace('~', "~0").replace('/', "~1")),
            }
            value = child;
        }
        pointer
    }

    fn name(&self) -> Cow<'j, str> {
        let (start, end) = self.node().name;
        let raw = &self.json.text[start as usize..end as usize];
        decode(raw).unwrap_or(Cow::Borrowed(raw))
    }

    fn is_named(&self, name: &str) -> bool {
        let (start, end) = self.node().name;
        let raw = &self.json.text[start as usize..end as usize];
        // An escape is longer than what it stands for.
        raw == name || (raw.len() > name.len() && raw.contains('\\') && self.name() == name)
    }
}

/// What stands between the quotes of a string; None with half a surrogate pair, which is no text.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    serde_json::from_str(&format!("\"{raw}\""))
        .ok()
        .map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        Json::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn values_are_found_and_know_where_they_are() {
        let json = read(r#" {"a":[1,{"b/c~":"x"}],"n":null,"e":"","a2":{"a":1,"a":2}} "#);
        let root = json.root();
        let deep = root.at("/a/1/b~1c~0").unwrap();
        assert_eq!(deep.as_str().as_deref(), Some("x"));
        assert_eq!(deep.pointer(), "/a/1/b~1c~0");
        assert_eq!(root.at("/a2/a").unwrap().raw(), "2");
        assert!(root.at("/n").is_none() && root.at("/a/2").is_none());
        assert_eq!(root.text("/e").unwrap(), None);
        assert!(root.has(&["a", "e"]) && !root.has(&["a", "n"]));
        assert_eq!(root.one_or_items().count(), 1);
        assert_eq!(root.at("/a").unwrap().one_or_items().count(), 2);
        assert_eq!(root.members().count(), 4);
        assert_eq!(root.at("/a").unwrap().items().count(), 2);
    }

    #[test]
    fn errors_point() {
        let json = read(r#"{"r":[{"id":7,"s3":"no"}]}"#);
        let record = json.root().at("payload#/r/0").unwrap();
        assert_eq!(
            record.need("/id").unwrap_err().to_string(),
            "payload#/r/0/id: expected a string, found `7`"
        );
        assert_eq!(
            record.need("/s4/key").unwrap_err().to_string(),
            "payload#/r/0/s4/key: expected a non-empty string, found nothing"
        );
        assert_eq!(
            record.need("/s3/object/key").unwrap_err().to_string(),
            "payload#/r/0/s3: expected an object, found `\"no\"`"
        );
    }

    #[test]
    fn only_json_is_read() {
        let deep = "[".repeat(128) + &"]".repeat(128);
        for good in [
            "0",
            " [ ] ",
            "{\"a\":-0.1e+9}",
            "\u{FEFF}{}",
            r#""\ud800""#,
            &deep,
        ] {
            read(good);
        }
        let deeper = format!("[{deep}]");
        for bad in [
            "",
            "[1,]",
            "{a:1}",
            "01",
            "1.",
            "\"\n\"",
            "{}x",
            "[1 2]",
            r#""\x""#,
            "nul",
            "{\"a\"}",
            "\"",
            "{\"a\":1,}",
            &deeper,
        ] {
            assert!(Json::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Json::read(b"\"\xFF\"").is_err());
    }
}
