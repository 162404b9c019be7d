//! The hot paths.

use std::hint::black_box;
use std::io::{Read, Write, pipe};
use std::time::Instant;

use bytes::Bytes;
use libfaas::function::{Function, Streams, each};
use libfaas::host::{Notice, Part, Revision, Session, Settings};
use libfaas::{Context, Encoding, Event, Hello, Manifest, Message, Status, encode_message};

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
        cases.push(function(encoding));
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

/// A unary call through the function side's loop, by one thread: what was recorded comes through a
/// pipe, and what is written goes into another one.
fn function(encoding: Encoding) -> Case {
    /// More calls than are ever made, since a number may not come again.
    const CALLS: u64 = 100;
    let encoded = |message: Message| {
        let mut bytes = Vec::new();
        encode_message(&message, encoding, &mut bytes);
        bytes
    };
    let (input, mut stdin) = pipe().expect("a pipe");
    let (mut stdout, output) = pipe().expect("a pipe");
    let streams = Streams {
        input: input.into(),
        output: output.into(),
    };
    let hello = Hello {
        fsi: "1.0".into(),
        ..Hello::default()
    };
    let hello = Message {
        hello: Some(hello),
        ..Message::default()
    };
    stdin.write_all(&encoded(hello)).expect("the hello");
    let vars = [
        ("FAAS_SPEC", "1.0"),
        ("FAAS_MODE", "stream"),
        ("FAAS_ENCODING", encoding.name()),
    ];
    let turns = Function::turns(vars, streams, each(Ok::<Event, Status>));
    let mut turns = turns.unwrap_or_else(|exit| panic!("expected a function, got {exit:?}"));
    let mut buffer = vec![0; 16 << 10];
    let greeted = stdout.read(&mut buffer);
    assert!(greeted.expect("the function's hello") > 0);
    let event = subject::event(encoding, SIZE);
    let record = |call| {
        let context = Context {
            attempt: 1,
            deadline_ms: Some(1_795_000_000_000),
            ..Context::default()
        };
        encoded(Message {
            call,
            context: Some(context),
            event: Some(event.clone()),
            end: Some(Status::ok()),
            ..Message::default()
        })
    };
    let recorded: Vec<_> = (1000..1000 + CALLS).map(record).collect();
    let mut recorded = recorded.into_iter();
    Case::new(format!("function.{encoding}.call"), move || {
        let call = recorded.next().expect("fewer calls than were recorded");
        stdin.write_all(&call).expect("a pipe that takes it");
        assert!(turns.turn());
        let answer = stdout.read(&mut buffer).expect("an answer");
        // What gives back what it gets writes what it reads.
        assert_eq!(black_box(&buffer[..answer]), &call[..]);
    })
}
