//! What must hold of the suite's reading of a subject, whatever that says.

use std::collections::BTreeMap;

use faas_conformance::incoming::Incoming;
use faas_conformance::target::Times;
use libfaas::{Encoding, Mode};
use serde_json::Value;

/// Their names, and what is done with the bytes.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[("incoming", incoming)];

/// Bytes of a message.
const LIMIT: usize = 4096;

/// What a subject or a driver says: the first byte has the mode and the encoding, the second where it is cut in two. It
/// is understood or broken, however its bytes are cut: understood, the same is read; broken, a rule is named.
pub fn incoming(bytes: &[u8]) {
    let [head, cut, bytes @ ..] = bytes else {
        return;
    };
    let mode = Mode::ALL[usize::from(head & 3) % 3];
    let encoding = Encoding::ALL[usize::from(head >> 2 & 3) % 3];
    let cut = usize::from(*cut) % (bytes.len() + 1);
    let whole = read(mode, encoding, &[bytes]);
    let pieces = read(mode, encoding, &[&bytes[..cut], &bytes[cut..]]);
    assert_eq!(whole.broken.is_some(), pieces.broken.is_some());
    if whole.broken.is_none() {
        assert_eq!(items(&whole), items(&pieces));
    }
    for subject in [whole, pieces] {
        if let Some(broken) = &subject.broken {
            assert!(!broken.rule.is_empty() && !broken.what.is_empty());
        }
        look(subject);
    }
}

fn read(mode: Mode, encoding: Encoding, pieces: &[&[u8]]) -> Incoming {
    let mut subject = Incoming::new(mode, encoding, LIMIT);
    for piece in pieces {
        for text in subject.feed(piece) {
            assert!(
                mode == Mode::Binary || !text.contains('\n'),
                "a transcript has a line a message"
            );
        }
    }
    subject.finish(true);
    subject
}

fn items(subject: &Incoming) -> Vec<(u64, &str, &Value)> {
    subject
        .left()
        .map(|(call, item)| (call, item.what, item.view()))
        .collect()
}

/// Takes all items out, as steps of a case do. What a driver's hello claims is read.
fn look(mut subject: Incoming) {
    let left: Vec<u64> = subject.left().map(|(call, _)| call).collect();
    subject.refusal();
    for call in left {
        let item = subject.pop(call).expect("it is left");
        assert!(["hello", "event", "end", "cancel"].contains(&item.what));
        let details = item.view()["status"]["details"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let details: BTreeMap<_, _> = details
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect();
        Times::stated(&details).facts();
    }
    assert_eq!(subject.left().count(), 0);
}
