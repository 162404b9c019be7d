//! Calls in stream mode: statuses, cancels, concurrency, context, ids.

use std::sync::{Arc, Barrier, Mutex, mpsc};

use libfaas::function::{Exit, Function, each, many, result};
use libfaas::{Code, Context, Encoding, Event, Message, Status};
use rustix::io::read;

use super::peer::{PATIENCE, Peer, cancel, context, end, event, hello, one, pipe, unary, vars};

#[test]
fn a_unary_call_is_one_message_in_one_write() {
    let ((their_input, input), (output, their_output)) = (pipe(), pipe());
    let streams = libfaas::function::Streams {
        input: their_input,
        output: their_output,
    };
    let vars = vars(libfaas::Encoding::Json, &[]);
    super::peer::on_thread(move || {
        libfaas::function::Function::new().run(vars, streams, each(Ok::<Event, Status>))
    });
    let mut buffer = vec![0; 4096];
    for line in [
        "{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n",
        "{\"call\":1,\"event\":{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"},\"end\":{}}\n",
    ] {
        rustix::io::write(&input, line.as_bytes()).unwrap();
        let count = read(&output, &mut buffer).unwrap();
        let written = std::str::from_utf8(&buffer[..count]).unwrap();
        assert!(
            written.ends_with('\n') && written.matches('\n').count() == 1,
            "{written}"
        );
        if line.contains("event") {
            assert!(
                written.contains("\"event\"") && written.contains("\"end\""),
                "{written}"
            );
        }
    }
}

#[test]
fn each_event_is_handled_as_soon_as_it_is_complete() {
    let mut peer = Peer::start(&[], each(Ok::<Event, Status>));
    for id in ["1", "2"] {
        peer.send(one(7, event(id)));
        assert_eq!(peer.receive(), one(7, event(id)));
    }
    peer.send(end(7, Code::Ok));
    assert_eq!(peer.receive_end(7), Status::ok());
    peer.close();
}

#[test]
fn the_first_failure_ends_the_call_with_its_status() {
    let failed = Status::new(Code::NotFound, "no such door").detail("door", "7");
    let handed_out = failed.clone();
    let mut peer = Peer::start(
        &[],
        each(move |event| {
            if event.id() == "bad" {
                Err(handed_out.clone())
            } else {
                Ok(event)
            }
        }),
    );
    peer.send(one(1, event("good")));
    peer.send(one(1, event("bad")));
    peer.send(unary(1, event("good")));
    assert_eq!(peer.receive(), one(1, event("good")));
    assert_eq!(peer.receive_end(1), failed);
    peer.send(unary(2, event("good")));
    assert_eq!(peer.receive().call, 2);
    peer.close();
}

#[test]
fn a_panic_costs_its_call_only() {
    let mut peer = Peer::start(
        &[("FAAS_CONCURRENCY", "2")],
        each(|event: Event| {
            assert_ne!(event.id(), "bad");
            Ok(event)
        }),
    );
    for call in 1..=6 {
        peer.send(unary(call, event("bad")));
        assert_eq!(peer.receive_end(call).code, Code::Internal);
    }
    peer.send(unary(9, event("good")));
    assert_eq!(peer.receive(), unary(9, event("good")));
    peer.close();
}

#[test]
fn an_invalid_result_is_internal() {
    let mut peer = Peer::start(&[], each(|event: Event| Ok(event.to_builder().source(""))));
    peer.send(unary(1, event("1")));
    assert_eq!(peer.receive_end(1).code, Code::Internal);
    peer.close();
}

#[test]
fn an_invalid_event_is_an_invalid_argument() {
    let mut peer = Peer::start(&[], each(Ok::<Event, Status>));
    peer.send_bytes(b"{\"call\":1,\"event\":{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"},\"end\":{}}\n");
    assert_eq!(peer.receive_end(1).code, Code::InvalidArgument);
    peer.send(unary(2, event("1")));
    assert_eq!(peer.receive(), unary(2, event("1")));
    peer.close();
}

#[test]
fn a_handler_cannot_make_a_success_of_input_that_failed() {
    let mut peer = Peer::start(&[], |call: &mut libfaas::function::Call| {
        while let Ok(Some(_)) = call.next_event() {}
        Ok(())
    });
    peer.send_bytes(b"{\"call\":1,\"event\":{\"specversion\":\"0.3\"},\"end\":{}}\n");
    assert_eq!(peer.receive_end(1).code, Code::InvalidArgument);
    peer.send(end(2, Code::DataLoss));
    assert_eq!(peer.receive_end(2).code, Code::DataLoss);
    peer.close();
}

#[test]
fn a_cancel_is_copied_and_told_while_the_handler_is_busy() {
    let (started, is_started) = mpsc::channel();
    let (cancelled, is_cancelled) = mpsc::channel();
    let (started, cancelled) = (Mutex::new(started), Mutex::new(cancelled));
    let mut peer = Peer::start(
        &[],
        many(move |event, out| {
            started.lock().unwrap().send(()).unwrap();
            while !out.is_cancelled() {
                std::thread::yield_now();
            }
            cancelled
                .lock()
                .unwrap()
                .send(out.emit(event).unwrap_err().code)
                .unwrap();
            Ok(())
        }),
    );
    peer.send(Message {
        context: context("i"),
        ..unary(1, event("1"))
    });
    is_started.recv_timeout(PATIENCE).unwrap();
    peer.send(cancel(1));
    assert_eq!(
        peer.receive(),
        Message {
            context: context("i"),
            ..cancel(1)
        }
    );
    assert_eq!(peer.receive_end(1).code, Code::Cancelled);
    assert_eq!(is_cancelled.recv_timeout(PATIENCE), Ok(Code::Cancelled));
    // After it the call is dropped, and others go on.
    peer.send(end(1, Code::Ok));
    peer.send(cancel(5));
    assert_eq!(peer.receive(), cancel(5));
    peer.close();
}

#[test]
fn whoever_waits_for_a_cancel_is_told_of_one() {
    let mut peer = Peer::start(&[], many(|_, out| Err(out.wait_cancelled())));
    peer.send(one(1, event("1")));
    peer.send(cancel(1));
    assert_eq!(peer.receive(), cancel(1));
    assert_eq!(peer.receive_end(1).code, Code::Cancelled);
    // The failure of the stage before is a reason too, and passes through.
    peer.send(one(2, event("1")));
    peer.send(Message {
        end: Some(Status::new(Code::Aborted, "upstream")),
        call: 2,
        ..Message::default()
    });
    assert_eq!(peer.receive_end(2), Status::new(Code::Aborted, "upstream"));
    peer.close();
}

#[test]
fn calls_run_at_once_up_to_the_concurrency() {
    let all = Arc::new(Barrier::new(4));
    let mut peer = Peer::start(
        &[("FAAS_CONCURRENCY", "4")],
        each(move |event: Event| {
            all.wait();
            Ok(event)
        }),
    );
    // Eight calls pass the barrier four by four; a fifth at once would leave three behind.
    for call in 1..=8 {
        peer.send(unary(call, event("1")));
    }
    let mut calls: Vec<_> = (1..=8).map(|_| peer.receive().call).collect();
    calls.sort_unstable();
    assert_eq!(calls, [1, 2, 3, 4, 5, 6, 7, 8]);
    peer.close();
}

#[test]
fn one_call_at_least_runs_and_is_read_meanwhile() {
    let function = Function::new().concurrency(0);
    let handler = each(Ok::<Event, Status>);
    let mut peer = Peer::spawn(function, Encoding::Json, &[], handler);
    peer.greet();
    for id in ["1", "2"] {
        peer.send(one(1, event(id)));
        assert_eq!(peer.receive(), one(1, event(id)));
    }
    peer.send(end(1, Code::Ok));
    assert_eq!(peer.receive_end(1), Status::ok());
    peer.close();
}

#[test]
fn calls_beyond_the_concurrency_wait() {
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let running = Arc::new(Mutex::new(0));
    let mut peer = Peer::start(
        &[("FAAS_CONCURRENCY", "2")],
        each(move |event: Event| {
            *running.lock().unwrap() += 1;
            may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            let mut now = running.lock().unwrap();
            assert!(*now <= 2);
            *now -= 1;
            Ok(event)
        }),
    );
    for call in 1..=5 {
        peer.send(unary(call, event("1")));
    }
    // The input is read to here, though nothing has been answered.
    peer.send(cancel(100));
    assert_eq!(peer.receive(), cancel(100));
    for _ in 1..=5 {
        go.send(()).unwrap();
        assert_eq!(peer.receive().end, Some(Status::ok()));
    }
    peer.close();
}

#[test]
fn the_handler_has_its_call_s_context() {
    let mut peer = Peer::start(
        &[],
        many(|_, out| {
            let Context {
                invocation_id,
                attempt,
                extra,
                ..
            } = out.context();
            let seen = format!("{invocation_id} {attempt} {extra:?}");
            assert!(out.time_left().is_some_and(|left| left.is_zero()));
            out.emit_last(result("/f", "seen").data(seen))
        }),
    );
    let context = Context {
        invocation_id: "i-1".into(),
        attempt: 3,
        deadline_ms: Some(1000),
        extra: [("REGION".to_owned(), "north".to_owned())].into(),
        ..Context::default()
    };
    peer.send(Message {
        context: Some(context.clone()),
        ..unary(1, event("1"))
    });
    let answer = peer.receive();
    assert_eq!(answer.context, Some(context));
    let seen = answer.event.unwrap();
    assert_eq!(
        seen.data().unwrap().as_bytes(),
        br#"i-1 3 {"REGION": "north"}"#
    );
    peer.close();
}

#[test]
fn results_without_an_id_get_one_that_every_attempt_gives_them() {
    let mut peer = Peer::start(
        &[],
        many(|_, out| {
            out.emit(result("/f", "t"))?;
            out.emit(event("own"))?;
            out.emit(result("/f", "t"))
        }),
    );
    let mut ids = |message: Message| {
        peer.send(message);
        let ids: Vec<_> = (0..3)
            .map(|_| peer.receive().event.unwrap().id().to_owned())
            .collect();
        assert_eq!(peer.receive().end, Some(Status::ok()));
        ids
    };
    assert_eq!(
        ids(Message {
            context: context("i"),
            ..unary(1, event("1"))
        }),
        ["i/1", "own", "i/3"]
    );
    // Without an invocation id the event's stands for it.
    assert_eq!(ids(unary(2, event("e"))), ["e/1", "own", "e/3"]);
    peer.close();
}

#[test]
fn malformed_input_ends_the_process() {
    for (line, rule) in [
        (
            &b"{\"call\":1,\"chunk\":\"eA==\"}\n"[..],
            "chunk-without-event",
        ),
        (b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n", "hello-once"),
        (b"{\"call\":1,\"end\":null}\n", "json"),
        (b"what?\n", "malformed"),
    ] {
        let mut peer = Peer::spawn(
            libfaas::function::Function::new(),
            libfaas::Encoding::Json,
            &[],
            each(Ok::<Event, Status>),
        );
        peer.send(hello("1.0", Status::ok()));
        peer.receive();
        peer.send_bytes(line);
        let exit = peer.exit();
        assert_eq!(exit.status(), 65);
        let Exit::Failed(status) = exit else {
            panic!("it failed")
        };
        assert!(status.message.contains(rule), "{rule}: {}", status.message);
    }
}
