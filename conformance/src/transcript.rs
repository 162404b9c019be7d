//! What went over the wire, bounded, for whoever has to understand a failure.

use std::time::{Duration, Instant};

/// Bytes kept of one entry.
pub const BYTES: usize = 4096;
/// Entries kept at each end; the middle of a longer transcript is left out.
const ENTRIES: usize = 40;

/// The entries of one subject, in order.
#[derive(Clone, Debug)]
pub struct Transcript {
    started: Instant,
    head: Vec<Entry>,
    tail: std::collections::VecDeque<Entry>,
    left_out: usize,
}

/// Bytes in one direction, or something that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the subject was started.
    pub at: Duration,
    /// Whose.
    pub direction: Direction,
    /// The first of the bytes.
    pub bytes: Vec<u8>,
    /// How many there were.
    pub length: usize,
    /// What they decode to, or what happened.
    pub texts: Vec<String>,
    /// In how many writes; 0 for what was read.
    pub writes: usize,
    open: bool,
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The suite.
    Stdin,
    /// The subject.
    Stdout,
    /// Nobody: something happened.
    Suite,
}

impl Transcript {
    pub(crate) fn new(started: Instant) -> Transcript {
        Transcript {
            started,
            head: Vec::new(),
            tail: Default::default(),
            left_out: 0,
        }
    }

    /// Forgets what went before: another request begins.
    pub fn restart(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.left_out = 0;
    }

    /// Something happened.
    pub fn note(&mut self, what: &str) {
        self.push(Direction::Suite, &[], 0, vec![what.to_owned()], false);
    }

    /// Bytes went to the subject in one write. `label` is what they end: a message, decoded.
    pub fn wrote(&mut self, bytes: &[u8], label: Option<&str>) {
        let texts: Vec<String> = label.map(cut).into_iter().collect();
        let open = texts.is_empty();
        match self.last() {
            Some(last) if last.direction == Direction::Stdin && last.open => {
                last.extend(bytes, 1, texts, open)
            }
            _ => self.push(Direction::Stdin, bytes, 1, texts, open),
        }
    }

    /// Bytes came from the subject, which end these messages.
    pub fn read(&mut self, bytes: &[u8], texts: Vec<String>) {
        let texts: Vec<String> = texts.iter().map(|t| cut(t)).collect();
        let open = texts.is_empty();
        match self.last() {
            Some(last) if last.direction == Direction::Stdout && last.open => {
                last.extend(bytes, 0, texts, open)
            }
            _ => self.push(Direction::Stdout, bytes, 0, texts, open),
        }
    }

    /// The entries that were kept.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let gap = (self.left_out > 0).then(|| Entry {
            at: self.tail.front().map_or(Duration::ZERO, |e| e.at),
            direction: Direction::Suite,
            bytes: Vec::new(),
            length: 0,
            texts: vec![format!("… {} entries left out …", self.left_out)],
            writes: 0,
            open: false,
        });
        self.head
            .iter()
            .cloned()
            .chain(gap)
            .chain(self.tail.iter().cloned())
    }

    fn last(&mut self) -> Option<&mut Entry> {
        self.tail.back_mut().or(self.head.last_mut())
    }

    fn push(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        writes: usize,
        texts: Vec<String>,
        open: bool,
    ) {
        let at = self.started.elapsed();
        let kept = bytes[..bytes.len().min(BYTES)].to_vec();
        let entry = Entry {
            at,
            direction,
            bytes: kept,
            length: bytes.len(),
            texts,
            writes,
            open,
        };
        if self.head.len() < ENTRIES {
            self.head.push(entry);
            return;
        }
        self.tail.push_back(entry);
        if self.tail.len() > ENTRIES {
            self.tail.pop_front();
            self.left_out += 1;
        }
    }
}

impl Entry {
    fn extend(&mut self, bytes: &[u8], writes: usize, texts: Vec<String>, open: bool) {
        let room = BYTES.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length += bytes.len();
        self.writes += writes;
        self.texts.extend(texts);
        self.open = open;
    }
}

/// A decoded message may be as large as its data; people need its beginning.
fn cut(text: &str) -> String {
    const SHOWN: usize = 600;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} characters)", &text[..at], text.chars().count()),
        None => text.to_owned(),
    }
}
