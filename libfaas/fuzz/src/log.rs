//! What a function writes to stderr.

use libfaas::host::{Log, Record, escape};

use crate::pieces;

/// The first byte says where the others are cut in two. However they are cut, the records are the same and bounded; none names a call that is not open, and none
/// shows a control character.
pub fn log(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let cuts = &[usize::from(*cut)];
    let whole = records(&mut Log::new(usize::MAX), bytes, &[]);
    assert_eq!(whole, records(&mut Log::new(usize::MAX), bytes, cuts));
    for record in &whole {
        assert!(record.text.len() <= 3 * LINE + 3 && !record.text.contains('\n'));
        assert!(record.call.is_none_or(is_open));
        let shown = record.to_string();
        assert!(shown.chars().all(|c| c == '\t' || !c.is_control()));
        assert_eq!(escape(&shown), shown);
        assert!(record.call.is_none() || record.structured.is_some());
    }
    let mut small = Log::new(LIMIT);
    let kept = records(&mut small, bytes, cuts);
    let held: usize = kept.iter().map(|record| record.text.len() + 64).sum();
    assert!(held <= LIMIT || kept.len() == 1);
    assert_eq!(kept.len() as u64 + small.dropped(), whole.len() as u64);
    assert_eq!(kept[..], whole[whole.len() - kept.len()..]);
    assert!(small.last_line().len() <= 4 << 10);
    let last = whole.iter().rfind(|record| !record.text.trim().is_empty());
    assert!(
        last.map_or("", |record| record.text.trim())
            .starts_with(small.last_line())
    );
}

const LINE: usize = 16 << 10;
const LIMIT: usize = 512;

fn is_open(call: u64) -> bool {
    call % 2 == 1
}

fn records(log: &mut Log, bytes: &[u8], cuts: &[usize]) -> Vec<Record> {
    for piece in pieces(bytes, cuts) {
        match piece {
            Some(piece) => log.read(piece, is_open),
            None => log.end(is_open),
        }
    }
    std::iter::from_fn(|| log.record()).collect()
}
