use super::*;

#[test]
fn a_unary_call_is_one_message_each_way() {
    for &encoding in Encoding::ALL {
        let mut pair = Pair::new(Options {
            encoding,
            ..options()
        });
        let context = Context {
            invocation_id: "i".into(),
            ..Context::default()
        };
        // Nothing waits for a round trip: the call stands right behind the hello.
        let call = pair.session.open(context.clone(), None);
        pair.session.send(call, Part::last(event("in")));
        let written = pair.written();
        assert_eq!(written.len(), 2);
        assert_eq!(written[0].hello.as_ref().unwrap().fsi, "1.0");
        assert_eq!(written[1].context, Some(context));
        assert_eq!(written[1].event, Some(event("in")));
        assert!(written[1].end.as_ref().unwrap().is_ok());

        pair.hello(Status::ok());
        assert!(matches!(pair.session.notice(), Some(Notice::Ready(_))));
        pair.answers(call, Part::last(event("out")));
        let part = Part::last(event("out"));
        assert_eq!(pair.session.notice(), Some(Notice::Part { call, part }));
        assert_eq!(pair.session.notice(), None);
        assert_eq!((pair.session.room(), pair.session.live()), (1, 0));
        assert_eq!(pair.written(), []);
    }
}

#[test]
fn no_more_calls_than_the_concurrency() {
    let mut pair = Pair::ready(Options {
        concurrency: 2,
        ..options()
    });
    assert_eq!(pair.call(None), 1);
    assert_eq!(pair.call(None), 2);
    assert_eq!(pair.session.room(), 0);
    assert_eq!(pair.call(None), 3);
    assert_eq!(pair.noticed(), ["3 UNAVAILABLE"]);
    pair.ends(1, Code::Ok);
    assert_eq!(pair.session.room(), 1);
    assert_eq!(pair.call(None), 4);
    let calls: Vec<u64> = pair.written().iter().map(|message| message.call).collect();
    assert_eq!(calls, [1, 2, 4]);
}

#[test]
fn a_call_that_ends_early_gets_its_input_closed_at_once() {
    let mut pair = Pair::ready(options());
    let call = pair.session.open(Context::default(), None);
    pair.session.send(call, Part::event(event("a")));
    assert_eq!(pair.written().len(), 1);
    pair.ends(call, Code::NotFound);
    let written = pair.written();
    assert_eq!(written.len(), 1);
    assert!(written[0].cancel.is_some());
    pair.session.send(call, Part::last(event("b")));
    pair.session.cancel(call, "late");
    assert_eq!(pair.written(), []);
    assert_eq!(pair.noticed(), ["1 NOT_FOUND"]);
    assert_eq!(pair.session.room(), 1);
}

#[test]
fn nothing_is_written_after_cancel_and_the_end_that_comes_is_the_result() {
    for code in [Code::Cancelled, Code::Ok] {
        let mut pair = Pair::ready(options());
        let call = pair.session.open(Context::default(), None);
        pair.session.send(call, Part::event(event("a")));
        pair.session.cancel(call, "enough");
        pair.session.cancel(call, "enough");
        pair.session.send(call, Part::last(event("b")));
        let written = pair.written();
        assert_eq!(written.len(), 2);
        assert_eq!(written[1].cancel.as_ref().unwrap().reason, "enough");
        // The copy of the cancel is nothing to a host.
        pair.says(written[1].clone());
        assert_eq!(pair.noticed(), [""; 0]);
        assert_eq!(pair.session.room(), 0);
        pair.ends(call, code);
        assert_eq!(pair.noticed(), [format!("1 {code}")]);
        assert_eq!(pair.session.room(), 1);
    }
}

#[test]
fn a_call_of_which_nothing_was_written_ends_by_itself() {
    let mut pair = Pair::ready(options());
    let call = pair.session.open(Context::default(), None);
    pair.session.cancel(call, "changed my mind");
    assert_eq!(pair.noticed(), ["1 CANCELLED"]);
    let call = pair
        .session
        .open(Context::default(), Some(pair.now + GRACE));
    // It can't know of this call: what it says is for nobody.
    pair.ends(call, Code::Ok);
    pair.later(GRACE);
    assert_eq!(pair.noticed(), ["2 DEADLINE_EXCEEDED"]);
    assert_eq!(pair.written(), []);
    assert_eq!(pair.session.room(), 1);
}

#[test]
fn a_context_outside_its_grammar_is_refused() {
    let mut pair = Pair::ready(options());
    let context = Context {
        traceparent: "00-zz".into(),
        ..Context::default()
    };
    let call = pair.session.open(context, None);
    pair.session.send(call, Part::last(event("a")));
    assert_eq!(pair.noticed(), ["1 INVALID_ARGUMENT"]);
    assert_eq!(pair.written(), []);
}

#[test]
fn what_comes_for_no_open_call_is_dropped() {
    let mut pair = Pair::ready(options());
    pair.answers(9, Part::last(event("wrong")));
    let call = pair.call(None);
    pair.answers(7, Part::last(event("wrong")));
    pair.ends(call, Code::Ok);
    pair.ends(call, Code::Internal);
    pair.answers(call, Part::event(event("stale")));
    assert_eq!(pair.noticed(), ["1 OK"]);
    assert_eq!(pair.session.room(), 1);
}

#[test]
fn a_context_or_an_empty_message_is_no_part() {
    let mut pair = Pair::ready(options());
    let call = pair.call(None);
    pair.says(Message {
        call,
        context: Some(Context::default()),
        ..Message::default()
    });
    assert_eq!(pair.noticed(), [""; 0]);
}

#[test]
fn an_invalid_event_costs_its_call_alone() {
    let mut pair = Pair::ready(Options {
        encoding: Encoding::Json,
        concurrency: 2,
        ..options()
    });
    let (bad, good) = (pair.call(None), pair.call(None));
    pair.written();
    let line = format!(
        "{{\"call\":{bad},\"event\":{{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/\",\"type\":\"t\"}}}}\n"
    );
    pair.session.read(line.as_bytes(), pair.now);
    assert_eq!(pair.noticed(), ["1 INTERNAL"]);
    assert!(pair.written()[0].cancel.is_some());
    // Until the function ends it, the call takes its place.
    assert_eq!(pair.session.room(), 0);
    pair.answers(bad, Part::event(event("more")));
    pair.ends(bad, Code::Cancelled);
    pair.ends(good, Code::Ok);
    assert_eq!(pair.noticed(), ["2 OK"]);
    assert_eq!(pair.session.room(), 2);
}

#[test]
fn too_much_output_ends_a_call_and_leaves_the_process() {
    let mut pair = Pair::ready(Options {
        max_output_bytes: Some(100),
        ..options()
    });
    let call = pair.call(None);
    pair.written();
    pair.answers(call, Part::event(event("x")));
    pair.answers(call, Part::event(event(&"x".repeat(80))));
    assert_eq!(pair.noticed(), ["1 part", "1 RESOURCE_EXHAUSTED"]);
    assert!(pair.written()[0].cancel.is_some());
    pair.ends(call, Code::Cancelled);
    let call = pair.call(None);
    pair.answers(call, Part::last(event(&"x".repeat(100))));
    assert_eq!(pair.noticed(), ["2 RESOURCE_EXHAUSTED"]);
    assert_eq!(pair.session.room(), 1);
}
