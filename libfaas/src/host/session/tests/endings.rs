use super::*;
use crate::host::{Death, Exit, Limit};

fn concurrent() -> Pair {
    Pair::ready(Options {
        concurrency: 4,
        ..options()
    })
}

#[test]
fn no_hello_in_time() {
    let mut pair = Pair::new(options());
    pair.call(None);
    assert_eq!(pair.session.deadline(), Some(pair.now + INIT));
    pair.later(INIT - GRACE);
    assert_eq!(pair.noticed(), [""; 0]);
    pair.later(GRACE);
    assert_eq!(
        pair.noticed(),
        ["1 DEADLINE_EXCEEDED", "kill DEADLINE_EXCEEDED"]
    );
    assert_eq!((pair.session.room(), pair.session.deadline()), (0, None));
}

#[test]
fn a_bad_hello_speaks_for_every_call() {
    let mut pair = Pair::new(Options {
        concurrency: 2,
        ..options()
    });
    pair.call(None);
    pair.call(None);
    pair.hello(Status::new(Code::FailedPrecondition, "no model"));
    assert_eq!(
        pair.noticed(),
        [
            "1 FAILED_PRECONDITION",
            "2 FAILED_PRECONDITION",
            "kill FAILED_PRECONDITION"
        ]
    );
}

#[test]
fn a_hello_of_another_major_version_is_refused() {
    let mut pair = Pair::new(Options {
        encoding: Encoding::Json,
        ..options()
    });
    pair.call(None);
    pair.session
        .read(b"{\"hello\":{\"fsi\":\"2.0\"}}\n", pair.now);
    assert_eq!(
        pair.noticed(),
        ["1 FAILED_PRECONDITION", "kill FAILED_PRECONDITION"]
    );
}

#[test]
fn a_banner_is_quoted() {
    for &encoding in Encoding::ALL {
        let mut pair = Pair::new(Options {
            encoding,
            ..options()
        });
        pair.call(None);
        pair.session.read(b"Loading the model\n", pair.now);
        assert_eq!(pair.noticed()[0], "1 INTERNAL");
        let mut pair = Pair::new(Options {
            encoding,
            ..options()
        });
        pair.session.read(b"Loading the model\n", pair.now);
        let Some(Notice::Kill(status)) = pair.session.notice() else {
            panic!("{encoding}");
        };
        assert!(status.message.contains("Loading the model"), "{status}");
        assert!(status.message.contains("hello-missing"), "{status}");
    }
}

#[test]
fn a_deadline_cancels_and_the_end_that_comes_in_time_is_the_result() {
    let mut pair = Pair::ready(options());
    let call = pair.call(Some(GRACE));
    pair.written();
    pair.later(GRACE);
    let written = pair.written();
    assert_eq!(written[0].cancel.as_ref().unwrap().reason, "deadline");
    assert_eq!(pair.session.deadline(), Some(pair.now + GRACE));
    pair.ends(call, Code::Cancelled);
    assert_eq!(pair.noticed(), ["1 CANCELLED"]);
    assert_eq!((pair.session.room(), pair.session.deadline()), (1, None));
}

#[test]
fn a_call_that_outlives_its_grace_costs_the_process_once_the_others_have_ended() {
    let mut pair = concurrent();
    let (late, other) = (pair.call(Some(GRACE)), pair.call(None));
    pair.later(GRACE);
    pair.later(GRACE);
    assert_eq!(
        pair.noticed(),
        ["retired".to_owned(), format!("{late} DEADLINE_EXCEEDED")]
    );
    assert_eq!(pair.session.room(), 0);
    pair.ends(late, Code::Ok);
    assert_eq!(pair.noticed(), [""; 0]);
    pair.ends(other, Code::Ok);
    assert_eq!(pair.noticed(), ["2 OK", "kill DEADLINE_EXCEEDED"]);
}

#[test]
fn a_cancel_has_a_grace_that_begins_when_the_time_is_next_told() {
    let mut pair = Pair::ready(options());
    let call = pair.call(None);
    // The host was idle for an hour, and nobody told the session.
    pair.now += Duration::from_secs(3600);
    pair.session.cancel(call, "the caller went away");
    assert!(pair.session.deadline().is_some_and(|due| due <= pair.now));
    pair.session.tick(pair.now);
    assert_eq!(pair.session.deadline(), Some(pair.now + GRACE));
    pair.later(GRACE);
    assert_eq!(
        pair.noticed(),
        ["retired", "1 CANCELLED", "kill DEADLINE_EXCEEDED"]
    );
}

#[test]
fn a_deadline_during_initialisation_costs_the_call_and_not_the_process() {
    let mut pair = Pair::new(options());
    let call = pair.call(Some(GRACE));
    pair.later(GRACE);
    assert_eq!(pair.noticed(), ["1 DEADLINE_EXCEEDED"]);
    assert_eq!(pair.session.room(), 0);
    pair.later(2 * GRACE);
    pair.hello(Status::ok());
    assert_eq!(pair.noticed(), ["ready"]);
    pair.ends(call, Code::Cancelled);
    assert_eq!(pair.session.room(), 1);

    // Unless it does not end the call in the grace after its hello.
    let mut pair = Pair::new(options());
    pair.call(Some(GRACE));
    pair.later(2 * GRACE);
    pair.hello(Status::ok());
    pair.later(GRACE);
    assert_eq!(
        pair.noticed(),
        [
            "1 DEADLINE_EXCEEDED",
            "ready",
            "retired",
            "kill DEADLINE_EXCEEDED"
        ]
    );
}

#[test]
fn a_death_ends_every_call_and_an_end_that_was_read_stands() {
    for exit in [Exit::Code(0), Exit::Code(70), Exit::Signal(11)] {
        let mut pair = concurrent();
        let (done, _open) = (pair.call(None), pair.call(None));
        pair.ends(done, Code::Ok);
        pair.session.read_end(pair.now);
        assert_eq!(pair.session.room(), 0);
        pair.session.ended(Death::new(exit, "oh"));
        assert_eq!(
            pair.noticed(),
            ["1 OK", "2 UNAVAILABLE", "kill UNAVAILABLE"]
        );
    }
}

#[test]
fn a_death_by_memory_has_a_name_and_so_has_a_call_that_was_overdue() {
    let mut pair = concurrent();
    pair.call(None);
    let death = Death {
        limit: Some(Limit::Memory),
        ..Death::new(Exit::Signal(9), "")
    };
    pair.session.read_end(pair.now);
    pair.session.ended(death);
    assert_eq!(
        pair.noticed(),
        ["1 RESOURCE_EXHAUSTED", "kill RESOURCE_EXHAUSTED"]
    );

    let mut pair = concurrent();
    pair.call(Some(GRACE));
    pair.call(None);
    pair.later(GRACE);
    pair.session.ended(Death::new(Exit::Signal(9), ""));
    assert_eq!(
        pair.noticed(),
        ["1 DEADLINE_EXCEEDED", "2 UNAVAILABLE", "kill UNAVAILABLE"]
    );
}

#[test]
fn a_death_before_hello_is_read_by_the_table() {
    for (exit, code) in [
        (Exit::Code(78), "FAILED_PRECONDITION"),
        (Exit::Code(127), "FAILED_PRECONDITION"),
        (Exit::Code(65), "INVALID_ARGUMENT"),
        (Exit::Code(1), "UNKNOWN"),
        (Exit::Signal(6), "INTERNAL"),
        // Not OK: nothing was served.
        (Exit::Code(0), "UNAVAILABLE"),
    ] {
        let mut pair = Pair::new(options());
        pair.call(None);
        pair.session.read_end(pair.now);
        assert_eq!(pair.noticed(), [""; 0], "how it died is not known yet");
        pair.session.ended(Death::new(exit, "no licence"));
        assert_eq!(
            pair.noticed(),
            [format!("1 {code}"), format!("kill {code}")]
        );
    }
}

#[test]
fn a_process_that_closes_stdout_and_stays_is_killed() {
    let mut pair = Pair::ready(options());
    pair.call(None);
    pair.session.read_end(pair.now);
    pair.later(GRACE);
    assert_eq!(pair.noticed(), ["1 UNAVAILABLE", "kill UNAVAILABLE"]);
}

#[test]
fn malformed_output_ends_every_call_and_the_process() {
    let mut pair = concurrent();
    pair.call(None);
    pair.call(Some(GRACE));
    pair.session.read(b"\xFF\xFF\xFF\xFF\xFF\xFF", pair.now);
    assert_eq!(
        pair.noticed(),
        ["1 INTERNAL", "2 INTERNAL", "kill INTERNAL"]
    );
    pair.ends(1, Code::Ok);
    pair.session.ended(Death::new(Exit::Signal(9), ""));
    assert_eq!(pair.noticed(), [""; 0]);
}

#[test]
fn a_second_hello_is_malformed() {
    let mut pair = Pair::ready(options());
    pair.call(None);
    pair.hello(Status::ok());
    assert_eq!(pair.noticed(), ["1 INTERNAL", "kill INTERNAL"]);
}

#[test]
fn half_a_message_and_the_end_are_malformed_unless_memory_was_the_reason() {
    for (limit, code) in [
        (None, "INTERNAL"),
        (Some(Limit::Memory), "RESOURCE_EXHAUSTED"),
    ] {
        let mut pair = Pair::ready(options());
        pair.call(None);
        pair.session.read(&[100, 8, 1], pair.now);
        pair.session.read_end(pair.now);
        let death = Death::new(Exit::Code(0), "");
        pair.session.ended(Death { limit, ..death });
        assert_eq!(
            pair.noticed(),
            [format!("1 {code}"), format!("kill {code}")]
        );
    }
}

#[test]
fn a_large_message_that_is_for_no_call_is_not_kept() {
    let mut pair = Pair::ready(options());
    let header = [0xFF, 0xFF, 0xFF, 0x07, 8, 5];
    pair.session.read(&header, pair.now);
    pair.session.read(&[0; 65_000], pair.now);
    assert_eq!(pair.noticed(), [""; 0]);
    pair.session.read(&[0; 1000], pair.now);
    assert_eq!(pair.noticed(), ["kill INTERNAL"]);
}

#[test]
fn a_drain_lets_calls_end() {
    let mut pair = concurrent();
    let (whole, open) = (pair.call(None), pair.session.open(Context::default(), None));
    pair.session.send(open, Part::event(event("a")));
    pair.session.close();
    assert_eq!((pair.session.room(), pair.session.stdin_done()), (0, false));
    pair.written();
    assert!(pair.session.stdin_done());
    pair.session.send(open, Part::last(event("b")));
    assert_eq!(pair.written(), []);
    pair.ends(whole, Code::Ok);
    pair.ends(open, Code::Aborted);
    pair.session.read_end(pair.now);
    pair.later(GRACE);
    assert_eq!(pair.noticed(), ["1 OK", "2 ABORTED"]);
    pair.session.ended(Death::new(Exit::Code(0), ""));
    assert_eq!(pair.noticed(), ["kill UNAVAILABLE"]);
}

#[test]
fn a_call_that_is_given_up_and_then_answers_wrongly_ends_once() {
    for cancelled in [false, true] {
        let mut pair = Pair::ready(Options {
            concurrency: 2,
            max_output_bytes: Some(10),
            ..options()
        });
        let other = pair.call(None);
        let call = pair.call((!cancelled).then_some(GRACE));
        match cancelled {
            true => pair.session.cancel(call, "r"),
            false => pair.later(GRACE),
        }
        pair.answers(call, Part::event(event("more than ten bytes")));
        assert_eq!(pair.noticed(), [format!("{call} RESOURCE_EXHAUSTED")]);
        // It has not answered the cancel either, and the instance is not used any more.
        pair.later(GRACE);
        assert_eq!(pair.noticed(), ["retired"]);
        pair.ends(other, Code::Ok);
        assert_eq!(
            pair.noticed(),
            [format!("{other} OK"), "kill DEADLINE_EXCEEDED".to_owned()]
        );
    }
}

#[test]
fn times_may_be_endless() {
    let endless = Options {
        init: Duration::MAX,
        cancel_grace: Duration::MAX,
        ..options()
    };
    let mut pair = Pair::ready(endless);
    let call = pair.call(None);
    pair.session.cancel(call, "enough");
    pair.later(Duration::from_secs(86_400));
    assert_eq!(pair.noticed(), [""; 0]);
    pair.ends(call, Code::Cancelled);
    assert_eq!(pair.noticed(), ["1 CANCELLED"]);
}
