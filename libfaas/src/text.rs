//! Text that shares the bytes that it came in.

use std::borrow::{Borrow, Cow};
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
#[derive(Clone)]
pub struct Text(
    /// Always UTF-8.
    Repr,
);

/// Of a short text a copy costs less than a count of who shares it.
#[derive(Clone)]
enum Repr {
    Short { length: u8, bytes: [u8; SHORT] },
    Shared(Bytes),
}

/// As much as fits beside `Bytes` without making a `Text` larger than that and a word.
const SHORT: usize = 38;

impl Text {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        let bytes = match &self.0 {
            Repr::Short { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Shared(bytes) => &bytes[..],
        };
        // SAFETY: every constructor takes the bytes of a str, or checks them.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    /// Cuts it in two at a character's boundary, neither copied if it is long.
    pub(crate) fn split_at(&self, at: usize) -> (Text, Text) {
        let (first, rest) = self.as_str().split_at(at);
        match &self.0 {
            Repr::Short { .. } => (first.into(), rest.into()),
            Repr::Shared(bytes) => {
                let whole = Whole::Shared(bytes);
                (whole.text(first), whole.text(rest))
            }
        }
    }

    #[inline]
    fn short(text: &str) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = text.len() as u8;
        Some(Text(Repr::Short { length, bytes }))
    }
}

/// A part keeps no more than so many times its own length in memory. Who counts the bytes of parts would not see more.
const MOST_HELD: usize = 8;

/// A document that is read, whose parts outlive it.
#[derive(Clone, Copy)]
pub(crate) enum Whole<'a> {
    /// Large parts share it.
    Shared(&'a Bytes),
    /// Parts are copied: the buffer that it stands in is used again.
    Lent(&'a [u8]),
}

impl<'a> Whole<'a> {
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Whole::Shared(bytes) => bytes,
            Whole::Lent(bytes) => bytes,
        }
    }

    /// A part of it on its own.
    ///
    /// # Panics
    ///
    /// If it is shared and `part` no part of it.
    pub(crate) fn part(self, part: &[u8]) -> Bytes {
        match self {
            Whole::Shared(whole) if part.len() >= whole.len() / MOST_HELD => whole.slice_ref(part),
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// The same for text.
    ///
    /// # Panics
    ///
    /// As [`part`](Self::part).
    #[inline]
    pub(crate) fn text(self, part: &str) -> Text {
        Text::short(part).unwrap_or_else(|| Text(Repr::Shared(self.part(part.as_bytes()))))
    }
}

/// What `std::str::from_utf8` gives, faster for what is ASCII, as nearly all short texts are.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    ascii(bytes).map_or_else(|| std::str::from_utf8(bytes), Ok)
}

/// The text, if it is all ASCII.
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    // SAFETY: ASCII is UTF-8.
    is_ascii(bytes).then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// The uppermost bit of each byte of a word, and the lowest.
const HIGH: u64 = 0x80 * LOW;
const LOW: u64 = 0x0101_0101_0101_0101;

/// What `<[u8]>::is_ascii` says, faster for a few bytes.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    match bytes.len() {
        8..64 => words(bytes, |word| word & HIGH),
        ..8 => bytes.iter().fold(0, |seen, byte| seen | byte) < 0x80,
        _ => bytes.is_ascii(),
    }
}

/// Whether all characters are of ASCII and printable.
#[inline]
pub(crate) fn is_printable(bytes: &[u8]) -> bool {
    // Where no byte has its uppermost bit, no sum or difference runs over into the next.
    let odd = |word: u64| {
        let control = !((word | HIGH) - LOW * 0x20);
        let delete = word.wrapping_add(LOW);
        (word | control | delete) & HIGH
    };
    match bytes.len() {
        8.. => words(bytes, odd),
        _ => bytes.iter().all(|b| matches!(b, b' '..=b'~')),
    }
}

/// Whether `odd` is 0 for all of at least eight bytes, taken by eight; the last ones partly twice.
#[inline]
fn words(bytes: &[u8], odd: impl Fn(u64) -> u64) -> bool {
    let Some(&last) = bytes.last_chunk() else {
        return false;
    };
    let mut seen = odd(u64::from_le_bytes(last));
    let mut rest = bytes;
    while let Some((&word, behind)) = rest.split_first_chunk() {
        seen |= odd(u64::from_le_bytes(word));
        rest = behind;
    }
    seen == 0
}

impl Default for Text {
    fn default() -> Self {
        Text::from("")
    }
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
        Text::short(&text).unwrap_or_else(|| Text(Repr::Shared(text.into_bytes().into())))
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Text::from(text.as_str())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Whole::Lent(&[]).text(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Text::from(text),
            Cow::Owned(text) => Text::from(text),
        }
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        match text.0 {
            Repr::Short { .. } => Bytes::copy_from_slice(text.as_bytes()),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        let short = Text::short(utf8(&bytes)?);
        Ok(short.unwrap_or(Text(Repr::Shared(bytes))))
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
        self.as_str() == other.as_str()
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

    #[test]
    fn a_part_holds_no_more_than_eight_times_itself() {
        let whole = Bytes::from(vec![b'a'; 1000]);
        for (length, shares) in [(0, false), (124, false), (125, true), (1000, true)] {
            let part = Whole::Shared(&whole).part(&whole[..length]);
            assert_eq!(part, whole[..length]);
            assert_eq!(!whole.is_unique(), shares, "{length}");
        }
    }

    /// Also run under AddressSanitizer, for the two unchecked conversions.
    #[test]
    fn only_utf8_becomes_text() {
        for text in [
            "",
            "a",
            "café",
            "\u{10FFFF}",
            "0123456789abcdef0123456789abcdeé",
            "0123456789abcdef0123456789abcdef012345",
            "0123456789abcdef0123456789abcdef0123456é",
        ] {
            assert_eq!(utf8(text.as_bytes()), Ok(text));
            let whole = Bytes::copy_from_slice(text.as_bytes());
            let shared = Text::try_from(whole.clone()).unwrap();
            assert_eq!(shared, text);
            for at in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
                let (first, rest) = shared.split_at(at);
                assert_eq!((&*first, &*rest), text.split_at(at));
                let part = &whole_str(&whole)[at..];
                assert_eq!(Whole::Shared(&whole).text(part), rest);
                assert_eq!(Whole::Lent(&[]).text(part), rest);
                assert_eq!(Bytes::from(rest), part);
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

    #[test]
    fn bytes_are_seen_one_by_one_wherever_they_stand() {
        for length in 0..=80 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b'~'; length];
                    bytes[at] = byte;
                    assert_eq!(is_ascii(&bytes), byte < 0x80, "{byte} of {length}");
                    let printable = matches!(byte, b' '..=b'~');
                    assert_eq!(is_printable(&bytes), printable, "{byte} of {length}");
                }
            }
        }
    }

    fn whole_str(whole: &Bytes) -> &str {
        std::str::from_utf8(whole).unwrap()
    }
}
