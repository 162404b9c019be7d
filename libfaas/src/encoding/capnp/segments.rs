//! The segments of a framed message, found through its table each time: nothing is allocated.

use capnp::message::ReaderSegments;

use crate::Limits;
use crate::error::{Rule, Violation};

pub(super) struct Segments<'a> {
    /// The size of each segment in words, four bytes each.
    sizes: &'a [u8],
    body: &'a [u8],
}

impl<'a> Segments<'a> {
    /// Checks that the table fits the bytes exactly.
    pub(super) fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, Violation> {
        let fault =
            |rule, expected: String, came: String| Err(Violation::new(rule, 0, expected, came));
        let Some(count) = word(bytes, 0).map(|last| last as usize + 1) else {
            return fault(
                Rule::Truncated,
                "a segment table".into(),
                format!("{} bytes", bytes.len()),
            );
        };
        if count > limits.capnp_segments {
            let expected = format!("at most {} segments", limits.capnp_segments);
            return fault(Rule::CapnpSegments, expected, count.to_string());
        }
        let header = (4 + 4 * count).next_multiple_of(8);
        let Some((table, body)) = bytes.split_at_checked(header) else {
            let expected = format!("a segment table of {header} bytes");
            return fault(Rule::Truncated, expected, format!("{} bytes", bytes.len()));
        };
        let segments = Segments {
            sizes: &table[4..4 + 4 * count],
            body,
        };
        let words: u64 = (0..count).map(|at| segments.words(at) as u64).sum();
        if words * 8 != body.len() as u64 {
            let rule = if words * 8 > body.len() as u64 {
                Rule::Truncated
            } else {
                Rule::Malformed
            };
            let expected = format!("segments of {} bytes, as the table says", words * 8);
            return fault(rule, expected, body.len().to_string());
        }
        Ok(segments)
    }

    /// The body, where it is one segment.
    pub(super) fn only(&self) -> Option<&'a [u8]> {
        (self.sizes.len() == 4).then_some(self.body)
    }

    fn words(&self, at: usize) -> usize {
        word(self.sizes, 4 * at).unwrap_or_default() as usize
    }
}

impl ReaderSegments for Segments<'_> {
    fn get_segment(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        if id >= self.len() {
            return None;
        }
        let start: usize = (0..id).map(|at| self.words(at)).sum();
        self.body.get(8 * start..8 * (start + self.words(id)))
    }

    fn len(&self) -> usize {
        self.sizes.len() / 4
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
