//! The inner loops of reading and writing JSON: eight bytes at a time where that is possible.

/// Where the first byte at or after `at` is that can't stand in a string as it is: a quotation
/// mark, a backslash, a control character. The length if there is none.
#[inline]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b' '..=b'!' | b'#'..=b'[' | b']'..) = bytes.get(at) {
        at += 1;
    }
    at
}

/// The highest bit of each byte that is special; above the lowest of them other bits may be set.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of a byte that is 0: only such a byte borrows, and it has no bit of its own.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & (ONES << 7)
}

/// Where the first byte at or after `at` is that is no white space.
#[inline]
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the digits end that begin at `at`.
#[inline]
pub(super) fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Which of the brackets that are open are braces: a bit for each, at any depth.
#[derive(Default)]
pub(super) struct Brackets {
    /// The innermost ones, the last in the lowest bit.
    inner: u128,
    /// Full sets of those around them.
    outer: Vec<u128>,
    depth: usize,
}

impl Brackets {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn open(&mut self, brace: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(128) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u128::from(brace);
        self.depth += 1;
    }

    /// Whether the innermost bracket is a brace.
    pub(super) fn in_object(&self) -> bool {
        self.inner & 1 == 1
    }

    pub(super) fn close(&mut self) {
        self.depth -= 1;
        self.inner >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(128) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255u8 {
            let stops = matches!(byte, b'"' | b'\\' | 0..0x20);
            for fill in [b'a', 0x20, 0x7F, 0x80, 0xFF, b'!', b'#', b'[', b']'] {
                for at in 0..20 {
                    let mut bytes = [fill; 20];
                    bytes[at] = byte;
                    let expected = if stops { at } else { 20 };
                    assert_eq!(plain(&bytes, 0), expected, "{byte} among {fill} at {at}");
                    // A special byte behind the first one changes nothing.
                    bytes[19] = b'"';
                    assert_eq!(plain(&bytes, 0), if stops { at } else { 19 });
                }
            }
        }
    }

    #[test]
    fn brackets_of_any_depth() {
        let brace = |depth: usize| depth.is_multiple_of(3) || depth.is_power_of_two();
        let mut brackets = Brackets::default();
        for depth in 0..1000 {
            brackets.open(brace(depth));
        }
        for depth in (0..1000).rev() {
            assert_eq!(
                (brackets.depth(), brackets.in_object()),
                (depth + 1, brace(depth))
            );
            brackets.close();
        }
        assert_eq!(brackets.depth(), 0);
    }
}
