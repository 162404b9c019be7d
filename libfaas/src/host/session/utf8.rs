//! Whether text that comes in pieces is UTF-8: a character may be split between two of them.

/// The beginning of a character that is not all there yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    start: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Takes the next piece; false when it can't be UTF-8 whatever follows.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((&first, rest)) = bytes.split_first() else {
                return true;
            };
            self.start[self.length] = first;
            self.length += 1;
            bytes = rest;
            match std::str::from_utf8(&self.start[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let rest = &bytes[error.valid_up_to()..];
                self.start[..rest.len()].copy_from_slice(rest);
                self.length = rest.len();
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the text may end here.
    pub(super) fn is_whole(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole_is(
            text in prop_oneof![any::<Vec<u8>>(), ".{0,12}".prop_map(String::into_bytes)],
            size in 1usize..4,
        ) {
            let mut utf8 = Utf8::default();
            let pieces = text.chunks(size).all(|piece| utf8.push(piece)) && utf8.is_whole();
            prop_assert_eq!(pieces, std::str::from_utf8(&text).is_ok());
        }
    }
}
