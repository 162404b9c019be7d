//! What a host makes of a process that serves one invocation.

use std::sync::LazyLock;

use libfaas::host::{Death, Exit, Limit, OneShot, Revision, Settings};
use libfaas::{Code, Context, Event, EventDecoder, Limits, Manifest, Mode};

use crate::pieces;

/// A function for each way of reading stdout.
static REVISIONS: LazyLock<Vec<Revision>> = LazyLock::new(|| {
    [
        "modes: [binary]",
        "modes: [binary], produces: [{type: out, datacontenttype: application/json}], limits: {output: 100}",
        "modes: [binary], produces: [{type: out, datacontenttype: text/plain}]",
        "modes: [structured], encodings: [json]",
        "modes: [structured], encodings: [protobuf], limits: {output: 1k}",
        "modes: [structured], encodings: [capnp]",
    ]
    .map(|members| {
        let yaml = format!("{{fsi: \"1.0\", name: f, command: [f], {members}}}");
        let manifest = Manifest::from_yaml(&yaml).expect("a valid manifest");
        Revision::new(manifest, ".", "t", "r", &settings()).expect("a revision")
    })
    .into()
});

fn settings() -> Settings {
    Settings {
        max_message_bytes: 4096,
        ..Settings::default()
    }
}

/// What came counts only where the process exited with 0, within its limits, and is then all that came.
pub fn outcome(bytes: &[u8]) {
    let [which, exit, cut, output @ ..] = bytes else {
        return;
    };
    let revision = &REVISIONS[usize::from(*which) % REVISIONS.len()];
    let death = match exit {
        0..=127 => Death::new(Exit::Code(0), ""),
        128..=191 => Death::new(Exit::Code(i32::from(*exit)), "last words"),
        192..=223 => Death::new(Exit::Signal(i32::from(exit % 32)), ""),
        _ => Death {
            limit: Some(Limit::Deadline),
            ..Death::new(Exit::Code(0), "")
        },
    };
    let input = Event::builder("7", "/s", "t")
        .data("in")
        .build()
        .expect("a valid event");
    let context = Context {
        invocation_id: "i".into(),
        ..Context::default()
    };
    let mut invocation =
        OneShot::new(revision, &settings(), &context, input).expect("a small event");
    let mut total = 0;
    for piece in pieces(output, &[usize::from(*cut)]).into_iter().flatten() {
        total += piece.len() as u64;
        let fits = revision.bounds.output.is_none_or(|limit| total <= limit);
        assert_eq!(invocation.read(piece), fits);
    }
    let exceeded = revision.bounds.output.is_some_and(|limit| total > limit);
    let (status, outcome) = (death.status(), invocation.outcome(death));
    if exceeded || !status.is_ok() {
        let code = if status.is_ok() || (exceeded && status.code != Code::DeadlineExceeded) {
            Code::ResourceExhausted
        } else {
            status.code
        };
        assert_eq!(outcome.map_err(|status| status.code), Err(code));
    } else if revision.mode == Mode::Binary {
        let events = outcome.expect("any bytes are the data of an event");
        let data = events[0].data().map_or(&[][..], |data| data.as_bytes());
        assert_eq!((events.len(), data), (1, output));
    } else {
        let limits = Limits {
            max_message_bytes: 4096,
            ..Limits::default()
        };
        let mut decoder = EventDecoder::new(revision.encoding, limits);
        decoder.push(output);
        decoder.finish();
        let read: Result<Vec<_>, _> = std::iter::from_fn(|| decoder.next().transpose()).collect();
        assert_eq!(
            outcome.map_err(|status| status.code),
            read.map_err(|_| Code::Internal)
        );
    }
}
