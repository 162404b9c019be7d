//! The hot paths.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use libfaas::host::{Notice, Part, Revision, Session, Settings};
use libfaas::{Context, Encoding, Manifest};

use crate::subject;

/// A hot path by its name; each call goes through it once.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) work: Box<dyn FnMut()>,
}

/// Small enough that the copy of the data, which is libc's, is a small part.
const SIZE: usize = 1 << 10;
/// What costs the same for any size is counted with this one.
const LARGE: usize = 1 << 20;

pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for encoding in Encoding::ALL.iter().copied() {
        events(encoding, &mut cases);
        messages(encoding, &mut cases);
    }
    for encoding in [Encoding::Protobuf, Encoding::Capnp] {
        let document = subject::document(encoding, LARGE);
        cases.push(Case::new(format!("event.{encoding}.view"), move || {
            black_box(subject::view(black_box(&document), encoding));
        }));
    }
    let message = subject::message(Encoding::Protobuf, LARGE);
    cases.push(Case::new("event.protobuf.overlay", move || {
        black_box(subject::overlay(black_box(&message), black_box(7)));
    }));
    for encoding in Encoding::ALL.iter().copied() {
        cases.push(session(encoding));
    }
    cases
}

impl Case {
    fn new(name: impl Into<String>, work: impl FnMut() + 'static) -> Self {
        Case {
            name: name.into(),
            work: Box::new(work),
        }
    }
}

fn events(encoding: Encoding, cases: &mut Vec<Case>) {
    let document = subject::document(encoding, SIZE);
    cases.push(Case::new(format!("event.{encoding}.decode"), move || {
        black_box(subject::decode(black_box(&document), encoding));
    }));
    let event = subject::event(encoding, SIZE);
    cases.push(Case::new(format!("event.{encoding}.encode"), move || {
        black_box(black_box(&event).encode(encoding));
    }));
}

fn messages(encoding: Encoding, cases: &mut Vec<Case>) {
    let bytes: Bytes = subject::undelimited(&subject::message(encoding, SIZE), encoding);
    let message = subject::decode_message(&bytes, encoding);
    cases.push(Case::new(format!("message.{encoding}.decode"), move || {
        black_box(subject::decode_message(black_box(&bytes), encoding));
    }));
    cases.push(Case::new(format!("message.{encoding}.encode"), move || {
        black_box(subject::encode(black_box(&message), encoding));
    }));
}

/// A unary call through the host's session. What it writes is what a function may write, so its
/// own bytes answer it.
fn session(encoding: Encoding) -> Case {
    let manifest = format!(
        r#"{{"fsi":"1.0","name":"f","command":["./f"],"modes":["stream"],"encodings":["{encoding}"]}}"#
    );
    let manifest = Manifest::from_yaml(&manifest).expect("a manifest");
    let settings = Settings::default();
    let revision = Revision::new(manifest, ".", "acme", "r1", &settings).expect("a revision");
    let now = Instant::now();
    let mut session = Session::new(revision.session(&settings), now);
    let mut bytes = Vec::new();
    let mut echo = move |session: &mut Session| {
        bytes.clear();
        bytes.extend_from_slice(session.outgoing());
        session.wrote(bytes.len());
        session.read(&bytes, now);
        session.notice()
    };
    assert!(matches!(echo(&mut session), Some(Notice::Ready(_))));
    let event = subject::event(encoding, SIZE);
    Case::new(format!("session.{encoding}.call"), move || {
        let call = session.open(Context::default(), None);
        session.send(call, Part::last(black_box(&event).clone()));
        match echo(&mut session) {
            Some(Notice::Part { part, .. }) if part.end.as_ref().is_some_and(|end| end.is_ok()) => {
                black_box(part);
            }
            other => panic!("expected the result, got {other:?}"),
        }
    })
}
