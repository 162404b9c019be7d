//! What is kept of a subject's stderr: the end of it, however much there was.

use std::collections::VecDeque;

/// Bytes that are kept.
const KEPT: usize = 64 << 10;

/// The last bytes of a stream, and how many there were in all.
#[derive(Debug, Default)]
pub struct Tail {
    bytes: VecDeque<u8>,
    total: u64,
}

impl Tail {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(KEPT);
        self.bytes.drain(..surplus);
        self.bytes.extend(bytes);
    }

    /// How many bytes there were in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What is kept, as text.
    pub fn text(&self) -> String {
        let (a, b) = self.bytes.as_slices();
        String::from_utf8_lossy(&[a, b].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_whatever_the_pieces() {
        let mut tail = Tail::default();
        for n in 0..100_000u32 {
            tail.push(format!("{n:06}\n").as_bytes());
        }
        tail.push(&vec![b'x'; KEPT + 1]);
        tail.push(b"end\n");
        assert_eq!(tail.total(), 700_000 + KEPT as u64 + 1 + 4);
        assert_eq!(tail.text().len(), KEPT);
        assert!(tail.text().ends_with("xend\n"));
    }
}
