//! Text that shares the bytes that it came in.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;

use bytes::Bytes;

/// Text that is cheap to clone, and shared with the document that it was read from.
///
/// ```
/// use libfaas::Text;
///
/// let text = Text::from("two apples");
/// assert_eq!(text, "two apples");
/// assert_eq!(text.len(), 10);
/// assert_eq!(String::from(text), "two apples");
/// ```
#[derive(Clone, Default)]
pub struct Text(
    /// Always UTF-8.
    Bytes,
);

impl Text {
    /// `part` without a copy, which is borrowed from `whole`.
    ///
    /// # Panics
    ///
    /// If it isn't.
    pub(crate) fn shared(part: &str, whole: &Bytes) -> Self {
        Text(whole.slice_ref(part.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor takes the bytes of a str, or checks them.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// Cuts it in two at a character's boundary, neither copied.
    pub(crate) fn split_at(&self, at: usize) -> (Text, Text) {
        let (first, rest) = self.as_str().split_at(at);
        (Text::shared(first, &self.0), Text::shared(rest, &self.0))
    }
}

/// What `std::str::from_utf8` gives, faster for what is ASCII, as nearly all short texts are.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes)
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.into_bytes().into())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Text::from(text.as_str())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        utf8(&bytes)?;
        Ok(Text(bytes))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also run under AddressSanitizer, for the two unchecked conversions.
    #[test]
    fn only_utf8_becomes_text() {
        for text in [
            "",
            "a",
            "café",
            "\u{10FFFF}",
            "0123456789abcdef0123456789abcdeé",
        ] {
            assert_eq!(utf8(text.as_bytes()), Ok(text));
            let whole = Bytes::copy_from_slice(text.as_bytes());
            let shared = Text::try_from(whole.clone()).unwrap();
            assert_eq!(shared, text);
            for at in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
                let (first, rest) = shared.split_at(at);
                assert_eq!((&*first, &*rest), text.split_at(at));
                assert_eq!(Text::shared(&whole_str(&whole)[at..], &whole), rest);
            }
        }
        for bytes in [
            &b"\xFF"[..],
            b"caf\xC3",
            b"0123456789abcdef\x80",
            b"\xED\xA0\x80",
        ] {
            assert!(utf8(bytes).is_err());
            assert!(Text::try_from(Bytes::copy_from_slice(bytes)).is_err());
        }
    }

    fn whole_str(whole: &Bytes) -> &str {
        std::str::from_utf8(whole).unwrap()
    }
}
