//! Every cell of the table, limits, and random streams.

use proptest::prelude::*;

use super::*;
use crate::Event;

const CALL: u64 = 1;

fn event() -> Message {
    let event = Event::builder("1", "/s", "t").data("x").build().unwrap();
    Message {
        call: CALL,
        event: Some(event),
        ..Message::default()
    }
}

fn chunk() -> Message {
    Message {
        call: CALL,
        chunk: Some("x".into()),
        ..Message::default()
    }
}

fn end(code: Code) -> Message {
    Message {
        call: CALL,
        end: Some(Status::new(code, "")),
        ..Message::default()
    }
}

fn cancel() -> Message {
    Message {
        call: CALL,
        cancel: Some(Cancel { reason: "r".into() }),
        ..Message::default()
    }
}

fn more(message: Message) -> Message {
    Message {
        more: true,
        ..message
    }
}

/// A session that runs its calls by hand.
struct Bench {
    session: Session,
}

impl Bench {
    fn new(concurrency: usize, hold: usize) -> Self {
        Bench {
            session: Session::new(concurrency, hold),
        }
    }

    /// Reads a message: what is written for it.
    fn read(&mut self, message: Message) -> Result<Vec<Message>, &'static str> {
        let mut effects = Vec::new();
        let read = self.session.receive(message, None, &mut effects);
        read.map_err(|malformed| malformed.rule)?;
        Ok(written(effects))
    }

    /// Starts the next handler.
    fn start(&mut self) -> u64 {
        self.session
            .start_next()
            .expect("a call that may start")
            .call
    }

    /// The handler returns: the code of the `end` that is written.
    fn finish(&mut self, call: u64, result: Result<(), Status>) -> Option<Code> {
        self.session
            .finish(call, result)
            .map(|message| message.end.unwrap().code)
    }
}

fn written(effects: Vec<Effect>) -> Vec<Message> {
    let message = |effect| match effect {
        Effect::Write(message) => Some(message),
        Effect::Wake(_) => None,
    };
    effects.into_iter().filter_map(message).collect()
}

/// The columns of the table.
#[derive(Clone, Copy, Debug)]
enum Column {
    NotSeen,
    BothOpen,
    OutputEnded,
    InputEnded,
    BothEnded,
    Cancelled,
}
use Column::*;

fn bench(column: Column) -> Bench {
    let mut bench = Bench::new(1, 1 << 20);
    if !matches!(column, NotSeen | Cancelled) {
        bench.read(event()).unwrap();
        bench.start();
    }
    match column {
        NotSeen | BothOpen => {}
        OutputEnded => assert_eq!(bench.finish(CALL, Ok(())), Some(Code::Ok)),
        InputEnded => assert_eq!(bench.read(end(Code::Ok)), Ok(vec![])),
        BothEnded => {
            bench.read(end(Code::Ok)).unwrap();
            bench.finish(CALL, Ok(())).unwrap();
        }
        Cancelled => assert_eq!(bench.read(cancel()), Ok(vec![cancel()])),
    }
    bench
}

const DROPPED: Result<Vec<Message>, &str> = Ok(vec![]);

#[test]
fn cell_event() {
    let mut opened = bench(NotSeen);
    assert_eq!(opened.read(event()), DROPPED);
    assert_eq!(opened.start(), CALL);
    assert_eq!(
        opened.session.take(CALL, false),
        Taken::Item(Item::Event {
            event: event().event.unwrap(),
            more: false
        })
    );
    assert_eq!(opened.session.take(CALL, false), Taken::Wait);

    let mut handled = bench(BothOpen);
    assert_eq!(handled.read(event()), DROPPED);
    assert!(matches!(
        handled.session.take(CALL, false),
        Taken::Item(Item::Event { .. })
    ));
    assert!(matches!(
        handled.session.take(CALL, false),
        Taken::Item(Item::Event { .. })
    ));

    assert_eq!(bench(OutputEnded).read(event()), DROPPED);
    assert_eq!(bench(InputEnded).read(event()), Err("stream-input-ended"));
    assert_eq!(bench(BothEnded).read(event()), Err("stream-input-ended"));
    assert_eq!(bench(Cancelled).read(event()), DROPPED);
}

#[test]
fn cell_chunk() {
    assert_eq!(bench(NotSeen).read(chunk()), Err("chunk-without-event"));
    assert_eq!(bench(BothOpen).read(chunk()), Err("chunk-without-event"));
    assert_eq!(bench(OutputEnded).read(chunk()), DROPPED);
    assert_eq!(bench(InputEnded).read(chunk()), Err("stream-input-ended"));
    assert_eq!(bench(BothEnded).read(chunk()), Err("stream-input-ended"));
    assert_eq!(bench(Cancelled).read(chunk()), DROPPED);

    let mut unfinished = bench(NotSeen);
    assert_eq!(unfinished.read(more(event())), DROPPED);
    assert_eq!(unfinished.read(more(chunk())), DROPPED);
    assert_eq!(unfinished.read(chunk()), DROPPED);
    assert_eq!(unfinished.read(chunk()), Err("chunk-without-event"));
}

#[test]
fn cell_end_ok() {
    let mut opened = bench(NotSeen);
    assert_eq!(opened.read(end(Code::Ok)), DROPPED);
    assert_eq!(opened.start(), CALL);
    assert_eq!(opened.session.take(CALL, false), Taken::Item(Item::End));
    assert_eq!(opened.finish(CALL, Ok(())), Some(Code::Ok));

    let mut finished = bench(BothOpen);
    assert_eq!(finished.read(end(Code::Ok)), DROPPED);
    assert_eq!(finished.finish(CALL, Ok(())), Some(Code::Ok));

    let mut forgotten = bench(OutputEnded);
    assert_eq!(forgotten.read(end(Code::Ok)), DROPPED);
    assert!(forgotten.session.open.is_empty());
    assert_eq!(forgotten.read(end(Code::Ok)), Err("stream-input-ended"));

    assert_eq!(
        bench(InputEnded).read(end(Code::Ok)),
        Err("stream-input-ended")
    );
    assert_eq!(
        bench(BothEnded).read(end(Code::Ok)),
        Err("stream-input-ended")
    );
    assert_eq!(bench(Cancelled).read(end(Code::Ok)), DROPPED);
}

#[test]
fn cell_end_not_ok() {
    let failed = Status::new(Code::NotFound, "");
    let mut opened = bench(NotSeen);
    assert_eq!(opened.read(end(Code::NotFound)), DROPPED);
    assert_eq!(opened.start(), CALL);
    assert_eq!(
        opened.session.take(CALL, false),
        Taken::Item(Item::Failed(failed.clone()))
    );
    assert_eq!(opened.finish(CALL, Ok(())), Some(Code::NotFound));

    // Whatever the handler makes of it, and also where it does not look.
    for result in [Ok(()), Err(Status::from(Code::Internal))] {
        let mut passed_on = bench(BothOpen);
        assert_eq!(passed_on.read(end(Code::NotFound)), DROPPED);
        assert_eq!(passed_on.session.stopped(CALL), Some(failed.clone()));
        assert_eq!(passed_on.finish(CALL, result), Some(Code::NotFound));
    }

    let mut forgotten = bench(OutputEnded);
    assert_eq!(forgotten.read(end(Code::NotFound)), DROPPED);
    assert!(forgotten.session.open.is_empty());

    assert_eq!(
        bench(InputEnded).read(end(Code::NotFound)),
        Err("stream-input-ended")
    );
    assert_eq!(
        bench(BothEnded).read(end(Code::NotFound)),
        Err("stream-input-ended")
    );
    assert_eq!(bench(Cancelled).read(end(Code::NotFound)), DROPPED);
}

#[test]
fn cell_cancel() {
    for column in [NotSeen, BothOpen, OutputEnded, InputEnded, BothEnded] {
        let mut bench = bench(column);
        assert_eq!(bench.read(cancel()), Ok(vec![cancel()]), "{column:?}");
        if matches!(column, BothOpen | InputEnded) {
            assert_eq!(bench.session.stopped(CALL).unwrap().code, Code::Cancelled);
            assert_eq!(
                bench.session.input_done(CALL).unwrap_err().code,
                Code::Cancelled
            );
            assert!(matches!(
                bench.session.take(CALL, false),
                Taken::Item(Item::Failed(_))
            ));
            assert_eq!(bench.finish(CALL, Ok(())), Some(Code::Cancelled));
        }
        assert!(bench.session.open.is_empty(), "{column:?}");
        for dropped in [
            cancel(),
            event(),
            chunk(),
            end(Code::Ok),
            end(Code::Aborted),
        ] {
            assert_eq!(bench.read(dropped), DROPPED, "{column:?}");
        }
    }
}

#[test]
fn a_call_that_waits_is_cancelled_at_once() {
    let mut bench = Bench::new(1, 1 << 20);
    bench.read(Message { call: 7, ..event() }).unwrap();
    bench.start();
    bench.read(event()).unwrap();
    let written = bench.read(cancel()).unwrap();
    assert_eq!(written[0], cancel());
    assert_eq!(written[1].end.as_ref().unwrap().code, Code::Cancelled);
    bench.finish(7, Ok(())).unwrap();
    assert!(bench.session.is_idle());
}

#[test]
fn pieces_in_a_wrong_order_are_malformed() {
    let unfinished = || {
        let mut bench = bench(NotSeen);
        bench.read(more(event())).unwrap();
        bench
    };
    assert_eq!(unfinished().read(event()), Err("chunk-event-unfinished"));
    assert_eq!(
        unfinished().read(end(Code::Ok)),
        Err("chunk-end-unfinished")
    );
    assert_eq!(unfinished().read(end(Code::Aborted)), DROPPED);
    assert_eq!(unfinished().read(cancel()).unwrap()[0], cancel());
    let both = Message {
        chunk: Some("x".into()),
        ..event()
    };
    assert_eq!(bench(NotSeen).read(both), Err("chunk-without-event"));
}

#[test]
fn a_message_without_a_known_field_opens_nothing() {
    let mut bench = Bench::new(1, 1 << 20);
    let context = Some(Context {
        invocation_id: "i".into(),
        ..Context::default()
    });
    bench
        .read(Message {
            call: CALL,
            context,
            ..Message::default()
        })
        .unwrap();
    bench
        .read(Message {
            call: CALL,
            more: true,
            ..Message::default()
        })
        .unwrap();
    assert!(bench.session.start_next().is_none());
}

#[test]
fn the_context_stands_on_the_first_message_for_the_call() {
    let context = Context {
        invocation_id: "i".into(),
        ..Context::default()
    };
    let with_context = |message: Message| Message {
        context: Some(context.clone()),
        ..message
    };
    let mut bench = Bench::new(1, 1 << 20);
    bench.read(with_context(event())).unwrap();
    let later = Context {
        invocation_id: "later".into(),
        ..Context::default()
    };
    bench
        .read(Message {
            context: Some(later),
            ..event()
        })
        .unwrap();
    let job = bench.session.start_next().unwrap();
    assert_eq!(job.context.as_ref(), Some(&context));
    bench.session.commit(CALL, false).unwrap();
    assert_eq!(bench.read(cancel()), Ok(vec![cancel()]));

    // Also where that is a cancel, or an end.
    let mut bench = Bench::new(1, 1 << 20);
    assert_eq!(
        bench.read(with_context(cancel())),
        Ok(vec![with_context(cancel())])
    );
    let other = |message: Message| Message { call: 2, ..message };
    bench.read(other(with_context(event()))).unwrap();
    bench.start();
    assert_eq!(
        bench.read(other(cancel())),
        Ok(vec![other(with_context(cancel()))])
    );
    let mut bench = Bench::new(1, 1 << 20);
    bench.read(with_context(end(Code::Ok))).unwrap();
    bench.start();
    assert_eq!(
        bench.session.finish(CALL, Ok(())),
        Some(with_context(end(Code::Ok)))
    );
}

#[test]
fn a_context_outside_its_grammar_costs_the_call() {
    let mut bench = Bench::new(1, 1 << 20);
    let context = Some(Context {
        invocation_id: "a\nb".into(),
        ..Context::default()
    });
    bench.read(Message { context, ..event() }).unwrap();
    bench.start();
    let Taken::Item(Item::Failed(status)) = bench.session.take(CALL, false) else {
        panic!("it failed")
    };
    assert_eq!(status.code, Code::InvalidArgument);
}

#[test]
fn an_invalid_event_costs_the_call_and_not_the_stream() {
    let mut bench = Bench::new(1, 1 << 20);
    let invalid = Message {
        event: None,
        ..event()
    };
    bench
        .session
        .receive(invalid, Some("no id".into()), &mut Vec::new())
        .unwrap();
    assert_eq!(bench.read(event()), DROPPED);
    assert_eq!(bench.read(end(Code::Ok)), DROPPED);
    bench.start();
    let Taken::Item(Item::Failed(status)) = bench.session.take(CALL, false) else {
        panic!("it failed")
    };
    assert_eq!(status, Status::new(Code::InvalidArgument, "no id"));
}

#[test]
fn further_calls_wait() {
    let mut bench = Bench::new(2, 1 << 20);
    for call in 1..=4 {
        bench
            .read(Message {
                call,
                end: Some(Status::ok()),
                ..event()
            })
            .unwrap();
    }
    assert_eq!((bench.start(), bench.start()), (1, 2));
    assert!(bench.session.start_next().is_none());
    bench.finish(2, Ok(())).unwrap();
    assert_eq!(bench.start(), 3);
    assert!(bench.session.may_read());
}

#[test]
fn what_waits_is_held_back_by_not_reading() {
    let large = |call| {
        let event = Event::builder("1", "/s", "t")
            .data(vec![0; 1000])
            .build()
            .unwrap();
        Message {
            call,
            event: Some(event),
            ..Message::default()
        }
    };
    // At a concurrency of 1 also for the call that runs,
    let mut bench = Bench::new(1, 1000);
    bench.read(large(1)).unwrap();
    bench.start();
    assert!(bench.session.may_read());
    bench.read(large(1)).unwrap();
    assert!(!bench.session.may_read());
    assert!(matches!(
        bench.session.take(1, true),
        Taken::Item(Item::Event { .. })
    ));
    assert!(bench.session.may_read());
    // above for those only that can't run yet, while those that run have all their input.
    let mut bench = Bench::new(2, 999);
    for call in 1..=2 {
        let end = Some(Status::ok());
        bench.read(Message { end, ..large(call) }).unwrap();
        bench.start();
    }
    assert!(bench.session.may_read());
    bench.read(large(3)).unwrap();
    assert!(!bench.session.may_read());
    bench.finish(1, Ok(())).unwrap();
    bench.start();
    assert!(bench.session.may_read());
}

/// Else what would let the call go on that runs would never be read.
#[test]
fn what_waits_for_its_turn_never_stands_before_input_of_a_call_that_runs() {
    for concurrency in [1, 2] {
        let mut bench = Bench::new(concurrency, 1000);
        for call in 1..=concurrency as u64 {
            bench.read(Message { call, ..event() }).unwrap();
            bench.start();
            bench.session.take(call, false);
        }
        let further = 10..;
        let mut refused = further.map(|call| {
            let read = Message { call, ..event() };
            (call, bench.read(read).unwrap())
        });
        let waits = refused.by_ref().take(3).all(|(_, wrote)| wrote.is_empty());
        assert!(waits, "768 bytes wait");
        let (call, wrote) = refused.next().expect("there is no end of calls");
        let [
            Message {
                call: ended,
                end: Some(end),
                ..
            },
        ] = &wrote[..]
        else {
            panic!("{wrote:?}")
        };
        assert_eq!((*ended, end.code), (call, Code::ResourceExhausted));
        // What was sent before that was known is dropped, and nothing is kept of it.
        let end = Some(Status::ok());
        let rest = Message {
            call,
            end,
            ..event()
        };
        assert!(bench.read(rest).unwrap().is_empty());
        assert!(!bench.session.open.contains_key(&call));
        // The input of the call that runs comes to it, and those that waited have their turn.
        let end = Some(Status::ok());
        bench
            .read(Message {
                call: 1,
                end,
                ..event()
            })
            .unwrap();
        assert!(matches!(
            bench.session.take(1, false),
            Taken::Item(Item::Event { .. })
        ));
        bench.finish(1, Ok(())).unwrap();
        assert_eq!(bench.start(), 10);
    }
}

#[test]
fn above_a_concurrency_of_one_a_call_that_does_not_take_its_input_fails() {
    let piece = || Message {
        chunk: Some(vec![0; 600].into()),
        ..more(chunk())
    };
    let mut bench = Bench::new(2, 1000);
    bench.read(more(event())).unwrap();
    bench.start();
    assert!(matches!(
        bench.session.take(CALL, true),
        Taken::Item(Item::Event { .. })
    ));
    bench.read(piece()).unwrap();
    // What is kept to be put together counts as well.
    assert!(matches!(
        bench.session.take(CALL, true),
        Taken::Item(Item::Chunk { .. })
    ));
    bench.read(piece()).unwrap();
    assert!(bench.session.may_read());
    assert!(matches!(
        bench.session.take(CALL, true),
        Taken::Item(Item::Chunk { .. })
    ));
    let Taken::Item(Item::Failed(status)) = bench.session.take(CALL, true) else {
        panic!("it failed")
    };
    assert_eq!(status.code, Code::ResourceExhausted);
    for _ in 0..1000 {
        bench.read(piece()).unwrap();
    }
    assert_eq!(bench.session.open[&CALL].inbox.queued(), 0);
}

#[test]
fn eof_finishes_what_is_complete_and_aborts_the_rest() {
    let mut bench = Bench::new(1, 1 << 20);
    for call in [1, 2, 3] {
        bench.read(Message { call, ..event() }).unwrap();
    }
    bench
        .read(Message {
            call: 2,
            ..end(Code::Ok)
        })
        .unwrap();
    bench.start();
    bench.session.end_of_input(&mut Vec::new());
    assert_eq!(bench.session.stopped(1).unwrap().code, Code::Aborted);
    assert_eq!(bench.finish(1, Ok(())), Some(Code::Aborted));
    assert_eq!(bench.start(), 2);
    assert_eq!(bench.session.stopped(2), None);
    assert!(bench.session.give_up(2).is_some());
    assert_eq!(bench.finish(2, Ok(())), Some(Code::Ok));
    assert_eq!(bench.start(), 3);
    assert_eq!(bench.finish(3, Ok(())), Some(Code::Aborted));
    assert!(bench.session.is_idle() && bench.session.open.is_empty());
}

#[test]
fn sigterm_ends_every_open_call() {
    let mut bench = Bench::new(1, 1 << 20);
    for call in [1, 2] {
        bench.read(Message { call, ..event() }).unwrap();
    }
    bench.start();
    let mut effects = Vec::new();
    bench.session.terminate(&mut effects);
    let ends: Vec<_> = written(effects)
        .into_iter()
        .map(|message| (message.call, message.end.unwrap().code))
        .collect();
    assert_eq!(ends, [(1, Code::Unavailable), (2, Code::Unavailable)]);
    assert_eq!(
        bench.session.input_done(1).unwrap_err().code,
        Code::Unavailable
    );
    assert_eq!(bench.finish(1, Ok(())), None);
    assert!(bench.session.is_idle());
}

/// What was read before the process is gone opens no call, and none for the second time.
#[test]
fn nothing_is_read_after_sigterm() {
    let mut bench = Bench::new(1, 1 << 20);
    for call in [1, 2] {
        bench.read(Message { call, ..event() }).unwrap();
    }
    bench.start();
    bench.session.terminate(&mut Vec::new());
    for call in [1, 2, 3] {
        for message in [event(), chunk(), end(Code::Ok), cancel()] {
            assert_eq!(bench.read(Message { call, ..message }), DROPPED);
        }
    }
    assert!(bench.session.start_next().is_none());
    assert_eq!(bench.finish(1, Ok(())), None);
}

/// As the reference probe has it: who opens a call and gives it up in one message gets an end.
#[test]
fn fields_of_a_message_apply_in_their_order() {
    let cancelled = |message: Message| Message {
        cancel: cancel().cancel,
        ..message
    };
    let mut bench = Bench::new(1, 1 << 20);
    for (call, message) in [(1, event()), (2, end(Code::Ok))] {
        let read = bench.read(Message {
            call,
            ..cancelled(message)
        });
        let wrote = read.unwrap();
        let code = |message: &Message| message.end.as_ref().map(|end| end.code);
        let ends: Vec<_> = wrote.iter().map(code).collect();
        assert_eq!(ends, [None, Some(Code::Cancelled)]);
        assert!(wrote[0].cancel.is_some());
    }
    assert!(bench.session.start_next().is_none() && bench.session.open.is_empty());
    let unknown = Message { call: 3, ..chunk() };
    assert_eq!(bench.read(cancelled(unknown)), Err("chunk-without-event"));
}

#[test]
fn the_memory_of_calls_that_are_over_is_bounded() {
    let mut bench = Bench::new(1, 1 << 20);
    for call in 1..=10_000 {
        bench.read(Message { call, ..cancel() }).unwrap();
    }
    assert_eq!(
        bench.read(Message {
            call: 10_000 - 1024,
            ..event()
        }),
        DROPPED
    );
    assert!(bench.session.start_next().is_none());
    bench.read(event()).unwrap();
    assert_eq!(bench.start(), CALL, "the first call is forgotten");
}

#[test]
fn a_status_is_written_within_its_bounds() {
    let mut status = Status::new(Code::Internal, "é".repeat(3000))
        .detail("Upper", "x")
        .detail("", "x");
    for n in 0..10 {
        status = status.detail(format!("n{n}"), "x".repeat(1000));
    }
    let status = bounded(status);
    assert_eq!(status.message.len(), 4096);
    assert_eq!(status.details.len(), 8);
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a test")]
enum Step {
    Read(Message),
    Start,
    Take,
    Emit(bool),
    Finish(Option<Code>),
    EndOfInput,
    Terminate,
}

fn step() -> impl Strategy<Value = Step> {
    let message = (1..6_u64, 0..9_u8, any::<bool>()).prop_map(|(call, kind, more)| {
        let message = match kind {
            0..=2 => Message { more, ..event() },
            3 => Message { more, ..chunk() },
            4 => Message { ..end(Code::Ok) },
            5 => Message {
                end: Some(Status::ok()),
                ..event()
            },
            6 => end(Code::DataLoss),
            7 => cancel(),
            _ => Message::default(),
        };
        Step::Read(Message { call, ..message })
    });
    prop_oneof![
        12 => message,
        4 => Just(Step::Start),
        4 => Just(Step::Take),
        2 => any::<bool>().prop_map(Step::Emit),
        4 => prop_oneof![Just(None), Just(Some(Code::NotFound))].prop_map(Step::Finish),
        1 => Just(Step::EndOfInput),
        1 => Just(Step::Terminate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is read and whatever handlers do: no panic, one `end` for each call that was opened
    /// and none for others, and nothing but copies of cancels after it.
    #[test]
    fn every_opened_call_gets_exactly_one_end(steps in prop::collection::vec(step(), 0..60), concurrency in 1..4_usize) {
        let mut session = Session::new(concurrency, 2000);
        let (mut opened, mut running) = (std::collections::BTreeSet::new(), Vec::new());
        let mut output = Vec::new();
        let mut over = false;
        for step in steps {
            let mut effects = Vec::new();
            match step {
                Step::Read(message) if !over && session.may_read() => {
                    let call = message.call;
                    if session.receive(message, None, &mut effects).is_err() {
                        // The process exits: nothing is owed any more.
                        return Ok(());
                    }
                    if session.open.contains_key(&call) {
                        opened.insert(call);
                    }
                }
                Step::Read(_) => {}
                Step::Start => running.extend(session.start_next().map(|job| job.call)),
                Step::Take => {
                    running.first().map(|&call| session.take(call, false));
                }
                Step::Emit(last) => {
                    if let Some(&call) = running.first()
                        && let Ok(done) = session.input_done(call)
                    {
                        let end = (last && done).then(Status::ok);
                        session.commit(call, end.is_some()).expect("nothing came between");
                        output.push(Message { call, end, ..event() });
                    }
                }
                Step::Finish(code) => {
                    if !running.is_empty() {
                        let result = code.map_or(Ok(()), |code| Err(code.into()));
                        output.extend(session.finish(running.remove(0), result));
                    }
                }
                Step::EndOfInput => {
                    over = true;
                    session.end_of_input(&mut effects);
                }
                Step::Terminate => {
                    over = true;
                    session.terminate(&mut effects);
                }
            }
            output.extend(written(effects));
            prop_assert!(running.len() <= concurrency);
        }
        session.end_of_input(&mut Vec::new());
        loop {
            running.extend(session.start_next().map(|job| job.call));
            let Some(call) = running.pop() else { break };
            output.extend(session.finish(call, Ok(())));
        }
        prop_assert!(session.is_idle() && session.open.is_empty());
        for call in 1..6 {
            let of_call = || output.iter().filter(|message| message.call == call);
            let ends = of_call().filter(|message| message.end.is_some()).count();
            prop_assert_eq!(ends, usize::from(opened.contains(&call)), "call {}: {:?}", call, output);
            let after = of_call().skip_while(|message| message.end.is_none()).skip(1);
            prop_assert!(after.clone().all(|message| message.cancel.is_some()), "call {}", call);
            prop_assert!(of_call().filter(|message| message.cancel.is_some()).count() <= 1);
        }
    }
}

#[test]
fn nobody_waits_to_be_given_up_whose_end_is_written() {
    let mut bench = bench(InputEnded);
    assert!(matches!(
        bench.session.take(CALL, false),
        Taken::Item(Item::Event { .. })
    ));
    assert_eq!(bench.session.give_up(CALL), None);
    assert!(bench.session.input_done(CALL).unwrap());
    bench.session.commit(CALL, true).unwrap();
    assert_eq!(bench.session.give_up(CALL), Some(gone()));
}
