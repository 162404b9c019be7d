//! The loop, by one thread.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

use super::super::{Function, Streams, each};
use super::*;
use crate::{Context, Event, Hello, Limits, MessageDecoder};

/// A function beside its pipes.
struct Bench {
    turns: Turns,
    stdin: Option<PipeWriter>,
    stdout: PipeReader,
    decoder: MessageDecoder,
}

impl Bench {
    fn new(handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static) -> Self {
        let (input, mut stdin) = pipe().unwrap();
        let (stdout, output) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&stdout, true).unwrap();
        let hello = Hello {
            fsi: "1.0".into(),
            ..Hello::default()
        };
        let hello = hello::message(hello);
        stdin.write_all(&bytes(&[hello])).unwrap();
        let streams = Streams {
            input: input.into(),
            output: output.into(),
        };
        let vars = [
            ("FAAS_SPEC", "1.0"),
            ("FAAS_MODE", "stream"),
            ("FAAS_ENCODING", "protobuf"),
            ("FAAS_CONCURRENCY", "8"),
            ("FAAS_MAX_MESSAGE_BYTES", "4096"),
        ];
        let mut bench = Bench {
            turns: Function::turns(vars, streams, handler).unwrap(),
            stdin: Some(stdin),
            stdout,
            decoder: MessageDecoder::new(Encoding::Protobuf, Limits::default()),
        };
        assert!(bench.written()[0].hello.is_some());
        bench
    }

    fn read(&mut self, messages: &[Message]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(&bytes(messages)).unwrap();
    }

    /// What one read of stdout brings.
    fn written(&mut self) -> Vec<Message> {
        let mut buffer = vec![0; 1 << 16];
        let count = self.stdout.read(&mut buffer).unwrap_or(0);
        self.decoder.push(&buffer[..count]);
        let next = || {
            self.decoder
                .next()
                .unwrap()
                .map(|received| received.message)
        };
        std::iter::from_fn(next).collect()
    }
}

fn bytes(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        crate::encode_message(message, Encoding::Protobuf, &mut bytes);
    }
    bytes
}

fn call(call: u64) -> Message {
    let context = Context {
        attempt: call as u32,
        ..Context::default()
    };
    Message {
        call,
        context: Some(context),
        event: Some(Event::builder("1", "/s", "t").data("x").build().unwrap()),
        end: Some(Status::ok()),
        ..Message::default()
    }
}

#[test]
fn calls_that_were_read_together_are_answered_together() {
    let mut bench = Bench::new(each(Ok::<Event, Status>));
    let calls: Vec<_> = (1..=4).map(call).collect();
    bench.read(&calls);
    for _ in 1..4 {
        assert!(bench.turns.turn());
        assert_eq!(bench.written(), []);
    }
    assert!(bench.turns.turn());
    assert_eq!(bench.written(), calls);
    bench.stdin = None;
    assert!(!bench.turns.turn());
    assert_eq!(bench.written(), []);
}

#[test]
fn what_is_kept_is_written_before_the_function_waits_or_ends() {
    let mut bench = Bench::new(each(Ok::<Event, Status>));
    let mut cut = bytes(&[call(1), call(2)]);
    cut.pop();
    bench.stdin.as_mut().unwrap().write_all(&cut).unwrap();
    assert!(bench.turns.turn());
    assert_eq!(bench.written(), [], "more of the second call may be there");
    bench.stdin = None;
    assert!(!bench.turns.turn());
    assert_eq!(bench.written(), [call(1)]);
}

/// Also where the first event is a handler's before that asks for it.
#[test]
fn a_call_is_what_its_messages_say() {
    let take_all = |call: &mut Call| {
        let mut count = 0;
        while let Some(event) = call.next_event()? {
            assert_eq!(call.context().attempt, 1);
            call.emit(event)?;
            count += 1;
        }
        assert_eq!(call.next_event()?, None, "the end stays");
        match count {
            2 => Ok(()),
            _ => Err(Status::new(Code::NotFound, count.to_string())),
        }
    };
    let first = Message {
        end: None,
        ..call(1)
    };
    let second = Message {
        context: None,
        ..first.clone()
    };
    let end = Message {
        call: 1,
        end: Some(Status::ok()),
        ..Message::default()
    };
    let mut bench = Bench::new(take_all);
    bench.read(&[first.clone(), second.clone(), end.clone()]);
    // The handler waits for what only another thread can read, so there is to be one, which also
    // writes what is kept.
    bench.turns.shared.state().threads = 0;
    assert!(bench.turns.turn());
    let mut written = bench.written();
    while written.len() < 3 {
        thread::yield_now();
        written.extend(bench.written());
    }
    assert_eq!(written, [first, second, end]);

    // Nothing but an end.
    let mut bench = Bench::new(take_all);
    bench.read(&[Message {
        event: None,
        ..call(1)
    }]);
    assert!(bench.turns.turn());
    let written = bench.written();
    assert_eq!(written[0].end.as_ref().unwrap().message, "0");
    assert_eq!(written[0].context, call(1).context);
}

#[test]
fn the_end_of_a_call_whose_handler_fails_has_its_context() {
    let mut bench = Bench::new(|call: &mut Call| {
        call.next_event()?;
        Err(Status::new(Code::NotFound, "no"))
    });
    bench.read(&[call(1), call(2)]);
    assert!(bench.turns.turn() && bench.turns.turn());
    let ends = bench.written();
    assert_eq!(ends.len(), 2);
    for (end, call) in ends.iter().zip([call(1), call(2)]) {
        assert_eq!((end.call, &end.context), (call.call, &call.context));
        assert_eq!(end.end.as_ref().unwrap().code, Code::NotFound);
    }
}

/// A result that does not fit leaves nothing behind, and the handler may give another.
#[test]
fn a_result_that_is_too_large_is_not_written() {
    let mut bench = Bench::new(|call: &mut Call| {
        let event = call.next_event()?.ok_or(Code::Internal)?;
        for size in [4096, 32 << 10] {
            let large = event.to_builder().attribute("large", "x".repeat(size));
            let refused = call.emit(large.build()?).unwrap_err();
            assert_eq!(refused.code, Code::ResourceExhausted);
        }
        call.emit_last(event)
    });
    bench.read(&[call(1)]);
    assert!(bench.turns.turn());
    assert_eq!(bench.written(), [call(1)]);
}

/// Looks again until it is so.
fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

/// The ends are on their way, and nobody takes them yet: what else is read must not be in time to
/// end the process before them.
#[test]
fn a_fault_in_the_input_does_not_overtake_the_ends_of_sigterm() {
    let mut bench = Bench::new(|call: &mut Call| Err(call.wait_cancelled()));
    let shared = Arc::clone(&bench.turns.shared);
    shared.state().threads = 0;
    shared.add_thread(&mut shared.state());
    bench.read(&[call(1)]);
    until(|| shared.state().session.stopped(1).is_none());
    let room = rustix::pipe::fcntl_getpipe_size(&bench.stdout).unwrap();
    rustix::io::write(shared.output.as_fd(), &vec![0; room]).unwrap();
    let ending = Arc::clone(&shared);
    let ending = thread::spawn(move || ending.terminate());
    until(|| shared.state().session.stopped(1).is_some());
    let stdin = bench.stdin.as_mut().unwrap();
    stdin.write_all(&[0xFF; 16]).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(100) {
        assert_eq!(shared.state().exit, None);
        thread::yield_now();
    }
    bench.stdout.read_exact(&mut vec![0; room]).unwrap();
    ending.join().unwrap();
    let ends = bench.written();
    assert_eq!((ends.len(), ends[0].call), (1, 1));
    assert_eq!(ends[0].end.as_ref().unwrap().code, Code::Unavailable);
    until(|| shared.state().exit.is_some());
}

#[test]
fn sigterm_twice_is_sigterm() {
    let bench = Bench::new(each(Ok::<Event, Status>));
    let shared = Arc::clone(&bench.turns.shared);
    shared.over.wake();
    let waiting = Arc::clone(&shared);
    let waits = thread::spawn(move || waiting.wait_for_exit(Duration::from_secs(600)));
    until(|| !shared.over.is_woken());
    shared.over.wake();
    until(|| !shared.over.is_woken() || waits.is_finished());
    assert!(!waits.is_finished(), "there is no exit yet");
    shared.exit(Exit::Done);
    waits.join().unwrap();
}
