use bytes::Bytes;

use super::*;
use crate::Data;

fn begin(data: &str) -> Part {
    Part {
        event: Some(event(data)),
        more: true,
        ..Part::default()
    }
}

fn chunk(bytes: &'static [u8], more: bool) -> Part {
    Part {
        chunk: Some(Bytes::from_static(bytes)),
        more,
        ..Part::default()
    }
}

fn with_chunks() -> Options {
    Options {
        chunks: true,
        ..options()
    }
}

#[test]
fn pieces_go_as_they_are_where_they_are_understood() {
    let mut pair = Pair::ready(with_chunks());
    let call = pair.session.open(Context::default(), None);
    for part in [
        begin("caf"),
        chunk(b"\xC3", true),
        chunk(b"\xA9", false),
        Part::end(Status::ok()),
    ] {
        pair.session.send(call, part);
    }
    let written = pair.written();
    assert_eq!(written.len(), 4);
    assert!(written[0].more && written[1].more && !written[2].more);
    assert_eq!(written[1].chunk.as_deref(), Some(&b"\xC3"[..]));
}

#[test]
fn pieces_are_put_together_where_they_are_not() {
    let mut pair = Pair::ready(options());
    let call = pair.session.open(Context::default(), None);
    for part in [
        begin("caf"),
        chunk(b"\xC3", true),
        chunk(b"\xA9", false),
        Part::end(Status::ok()),
    ] {
        pair.session.send(call, part);
    }
    let written = pair.written();
    assert_eq!(written.len(), 2);
    assert_eq!(written[0].event, Some(event("café")));
    assert!(written[1].end.is_some());

    pair.ends(call, Code::Ok);
    let call = pair.session.open(Context::default(), None);
    pair.session.send(call, begin("caf"));
    pair.session.send(call, chunk(b"\xFF", false));
    assert_eq!(pair.noticed(), ["1 OK", "2 INVALID_ARGUMENT"]);
    assert_eq!(pair.written(), []);
}

#[test]
fn large_events_are_cut_for_those_who_take_pieces() {
    for &encoding in Encoding::ALL {
        let limits = Options {
            encoding,
            max_message_bytes: 1000,
            ..options()
        };
        let large = event(&"é".repeat(2000));
        let mut pair = Pair::ready(limits.clone());
        let call = pair.session.open(Context::default(), None);
        pair.session.send(call, Part::last(large.clone()));
        assert_eq!(pair.noticed(), ["1 RESOURCE_EXHAUSTED"]);
        assert_eq!(pair.written(), []);
        assert_eq!(pair.session.room(), 1);

        let mut pair = Pair::ready(Options {
            chunks: true,
            ..limits
        });
        let call = pair.session.open(Context::default(), None);
        pair.session.send(call, Part::last(large.clone()));
        let mut data = Vec::new();
        let written = pair.written();
        for message in &written[1..] {
            data.extend_from_slice(message.chunk.as_ref().unwrap());
        }
        assert_eq!(
            written[0].event.as_ref().unwrap().complete(&data).unwrap(),
            large
        );
        let last = written.last().unwrap();
        assert!(!last.more && last.end.is_some());
        assert!(
            written[1..written.len() - 1]
                .iter()
                .all(|message| message.more && message.end.is_none())
        );
    }
}

#[test]
fn an_event_above_the_functions_limit_is_not_passed_on() {
    let mut pair = Pair::ready(Options {
        max_event_bytes: Some(3),
        ..with_chunks()
    });
    let call = pair.session.open(Context::default(), None);
    pair.session.send(call, Part::last(event("four")));
    assert_eq!(pair.noticed(), ["1 RESOURCE_EXHAUSTED"]);
    assert_eq!(pair.written(), []);
    // With pieces it is known late: what has begun is cancelled.
    let call = pair.session.open(Context::default(), None);
    pair.session.send(call, begin("ab"));
    pair.session.send(call, chunk(b"cd", false));
    assert_eq!(pair.noticed(), ["2 RESOURCE_EXHAUSTED"]);
    let written = pair.written();
    assert!(written[0].more && written[1].cancel.is_some());
    assert_eq!(written.len(), 2);
}

#[test]
fn parts_out_of_order_end_the_call() {
    for parts in [
        vec![chunk(b"x", false)],
        vec![begin("a"), Part::event(event("b"))],
        vec![begin("a"), Part::end(Status::ok())],
    ] {
        let mut pair = Pair::ready(with_chunks());
        let call = pair.session.open(Context::default(), None);
        for part in parts {
            pair.session.send(call, part);
        }
        assert_eq!(pair.noticed(), ["1 INVALID_ARGUMENT"]);
    }
    // A failure may come at any time, and takes the unfinished event with it.
    let mut pair = Pair::ready(options());
    let call = pair.session.open(Context::default(), None);
    pair.session.send(call, begin("a"));
    pair.session.send(call, Part::end(Code::Aborted.into()));
    let written = pair.written();
    assert_eq!((written.len(), written[0].event.as_ref()), (1, None));
    assert_eq!(written[0].end.as_ref().unwrap().code, Code::Aborted);
}

#[test]
fn pieces_that_come_are_checked() {
    let out_of_order: [(&[Part], &str); 4] = [
        (&[chunk(b"x", false)], "chunk-without-event"),
        (
            &[Part::event(event("a")), chunk(b"x", false)],
            "chunk-without-event",
        ),
        (&[begin("a"), begin("b")], "chunk-event-unfinished"),
        (
            &[begin("a"), Part::end(Status::ok())],
            "chunk-end-unfinished",
        ),
    ];
    for (parts, rule) in out_of_order {
        let mut pair = Pair::ready(with_chunks());
        let call = pair.call(None);
        for part in parts {
            pair.answers(call, part.clone());
        }
        let last = std::iter::from_fn(|| pair.session.notice()).last();
        let Some(Notice::Kill(status)) = last else {
            panic!("{rule}: {last:?}");
        };
        assert_eq!(status.code, Code::Internal);
        assert!(status.message.contains(rule), "{status}");
    }
    let mut pair = Pair::ready(with_chunks());
    let call = pair.call(None);
    pair.answers(call, begin("caf"));
    pair.answers(call, chunk(b"\xC3", true));
    pair.answers(call, chunk(b"\xA9", false));
    pair.answers(call, begin("caf"));
    pair.answers(call, Part::end(Code::NotFound.into()));
    assert_eq!(
        pair.noticed(),
        ["1 part", "1 part", "1 part", "1 part", "1 NOT_FOUND"]
    );
    for wrong in [chunk(b"\xC3", false), chunk(b"\xFF", true)] {
        let call = pair.call(None);
        pair.answers(call, begin("caf"));
        pair.answers(call, wrong);
        pair.ends(call, Code::Cancelled);
        assert_eq!(
            pair.noticed(),
            [format!("{call} part"), format!("{call} INTERNAL")]
        );
    }
}

#[test]
fn json_goes_in_pieces_and_arrives_whole() {
    let json = Event::builder("1", "/s", "t")
        .json(&"x".repeat(1000))
        .build()
        .unwrap();
    for &encoding in Encoding::ALL {
        let mut pair = Pair::ready(Options {
            encoding,
            max_message_bytes: 700,
            ..with_chunks()
        });
        let call = pair.session.open(Context::default(), None);
        pair.session.send(call, Part::last(json.clone()));
        let mut whole = None;
        let mut assembly = crate::host::Assembly::default();
        for message in pair.written() {
            whole = assembly.add(message.into()).unwrap().or(whole);
        }
        let whole = whole.unwrap();
        let data = whole.data().map(Data::as_bytes);
        assert_eq!(data, json.data().map(Data::as_bytes));
        assert_eq!(whole.datacontenttype(), Some("application/json"));
    }
}
