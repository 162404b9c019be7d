//! Runtimes that say the wrong thing to their functions, or understand them wrongly: what stands
//! between a process of the function and its host makes it so.

use std::time::{Duration, Instant};

use libfaas::host::Measure;
use libfaas::{Code, Message, Mode, Status};

use super::Does::{Command, Driver, Function, OneShotMeasures};
use super::process::escape;
use super::shim::Place;
use super::wire::{Do, Ending, Frame, Memory, Seen, Stderr, Wiring};
use super::{Fault, fault};

const RIGHT: Wiring = Wiring::RIGHT;
/// In stream mode alone.
const STREAM: Wiring = Wiring {
    applies: |place| place.mode == Mode::Stream,
    ..RIGHT
};
/// In the modes for one invocation alone.
const ONE: Wiring = Wiring {
    applies: |place| place.mode != Mode::Stream,
    ..RIGHT
};
/// In those, and in pipelines.
const ONE_OF_SEVERAL: Wiring = Wiring {
    applies: |place| place.mode != Mode::Stream && place.stages > 1,
    ..RIGHT
};

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    // starting
    fault("host-hello-late", &[Function(&Wiring { stream: Some(hello_late), ..STREAM })]),
    fault("hello-of-other-version", &[Function(&Wiring { stream: Some(other_version), ..STREAM })]),
    fault("banner-skipped", &[Function(&Wiring { stream: Some(banner_skipped), ..STREAM })]),
    fault("init-exit-internal", &[Function(&Wiring { exit: Some(|memory, ending, _| match ending { Ending::Exit(n) if n != 0 && n != 127 && !memory.greeted => Ending::Exit(70), other => other }), ..STREAM })]),
    fault("init-abort-unknown", &[Function(&Wiring { exit: Some(|memory, ending, _| match ending { Ending::Signal(_) if !memory.greeted => Ending::Exit(1), other => other }), ..STREAM })]),
    fault("no-program-unknown", &[Function(&Wiring { exit: Some(|_, ending, _| match ending { Ending::Exit(126 | 127) => Ending::Exit(1), other => other }), ..STREAM })]),
    // calls
    fault("retry-same-attempt", &[Command(|command, _| { command.env("FAAS_ATTEMPT", "1"); }), Function(&Wiring { stream: Some(same_attempt), ..STREAM })]),
    fault("retry-same-number", &[Function(&Wiring { stream: Some(same_number), ..STREAM })]),
    fault("retry-new-invocation", &[Function(&Wiring { stream: Some(new_invocation), ..STREAM })]),
    fault("call-number-reused", &[Function(&Wiring { stream: Some(number_reused), ..STREAM })]),
    fault("early-end-unanswered", &[Function(&Wiring { stream: Some(early_end_unanswered), ..STREAM })]),
    fault("cancel-believed", &[Function(&Wiring { stream: Some(cancel_believed), ..STREAM })]),
    fault("foreign-delivered", &[Function(&Wiring { stream: Some(foreign_delivered), ..STREAM })]),
    fault("invalid-event-passed", &[Function(&Wiring { stream: Some(invalid_passed), ..STREAM })]),
    fault("invalid-event-unknown", &[Function(&Wiring { stream: Some(invalid_unknown), ..STREAM })]),
    fault("host-writes-first", &[Function(&Wiring { reads_while_writing: false, ..RIGHT })]),
    // deadlines
    fault("deadline-no-cancel", &[Function(&Wiring { stream: Some(no_cancel), ..STREAM })]),
    fault("cancel-then-end", &[Function(&Wiring { stream: Some(cancel_then_end), ..STREAM })]),
    fault("deadline-reused", &[Function(&Wiring { stream: Some(reused), ..STREAM })]),
    fault("oneshot-deadline-leaves", &[Function(&Wiring { dies_together: false, ..ONE }), OneShotMeasures(&[Measure::Descendants]), Command(|command, place| if place.mode != Mode::Stream { escape(command, place); })]),
    fault("retry-early", &[Function(&Wiring { stream: Some(retry_early), applies: |place| place.mode == Mode::Stream && place.stages == 1, ..RIGHT })]),
    // ends
    fault("drain-no-sigterm", &[Function(&Wiring { terminates: false, ..STREAM })]),
    fault("pipeline-signal-last", &[Function(&Wiring { terminates: false, applies: |place| place.mode == Mode::Stream && place.stage < place.stages, ..RIGHT })]),
    fault("death-by-exit-status", &[Function(&Wiring { stream: Some(exit_decides), ..STREAM })]),
    fault("death-at-exit-only", &[Function(&Wiring { stream: Some(stdout_held), ..STREAM })]),
    fault("death-overrides-end", &[Function(&Wiring { stream: Some(ends_held), ..STREAM })]),
    fault("malformed-unavailable", &[Function(&Wiring { stream: Some(malformed_dies), exit: Some(|_, _, _| Ending::Exit(0)), ..STREAM })]),
    fault("malformed-resynchronised", &[Function(&Wiring { stream: Some(resynchronised), ..STREAM })]),
    fault("malformed-cut-unavailable", &[Function(&Wiring { stream: Some(cut_dropped), ..STREAM })]),
    fault("pipeline-half-dead", &[Function(&Wiring { stream: Some(stdout_held), lives_on: true, applies: |place| place.mode == Mode::Stream && place.stages > 1, ..RIGHT })]),
    // with the driver's help
    fault("bad-hello-unavailable", &[Function(&Wiring { stream: Some(bad_hello_marked), ..STREAM }), Driver(&Wiring { stream: Some(marked_unavailable), ..RIGHT })]),
    fault("context-returned-used", &[Function(&Wiring { stream: Some(context_aside), ..STREAM }), Driver(&Wiring { stream: Some(context_back), ..RIGHT })]),
    // stderr
    fault("stderr-unread", &[Function(&Wiring { stderr: Stderr::Unread, ..RIGHT })]),
    fault("log-keeps-first", &[Function(&Wiring { stderr: Stderr::Whole(|mut all| { all.truncate(64 << 10); all }), ..RIGHT })]),
    fault("log-trace-believed", &[Function(&Wiring { stderr: Stderr::Lines(|line| line.replace("\"traceId\":", "\"attributes\":{\"believed\":1},\"body\":")), ..RIGHT })]),
    fault("message-first-line", &[Function(&Wiring { stderr: Stderr::Whole(first_line_last), ..ONE })]),
    // one invocation
    fault("exit-mapping", &[Function(&Wiring { exit: Some(|_, ending, _| match ending { Ending::Exit(n) if n != 0 => Ending::Exit(1), other => other }), ..ONE })]),
    fault("exit-signal-unknown", &[Function(&Wiring { exit: Some(|_, ending, _| match ending { Ending::Signal(_) => Ending::Exit(1), other => other }), ..ONE })]),
    fault("failed-output-kept", &[Function(&Wiring { exit: Some(|memory, ending, _| if memory.output > 0 { Ending::Exit(0) } else { ending }), ..ONE })]),
    fault("binary-data-newline", &[Function(&Wiring { stdin: Some(|input| input.push(b'\n')), applies: |place| place.mode == Mode::Binary && place.stage == 1, ..RIGHT })]),
    fault("structured-two", &[Function(&Wiring { stdin: Some(|input| input.extend_from_within(..)), applies: |place| place.mode == Mode::Structured && place.stages == 1, ..RIGHT })]),
    fault("epipe-fails", &[Function(&Wiring { epipe_fails: true, ..ONE })]),
    fault("oneshot-waits-for-eof", &[Function(&Wiring { waits_for_eof: true, ..ONE })]),
    fault("pipeline-last-status", &[Function(&Wiring { exit: Some(|_, _, _| Ending::Exit(0)), applies: |place| place.mode != Mode::Stream && place.stage < place.stages, ..RIGHT })]),
    fault("oneshot-grandchild-left", &[OneShotMeasures(&[Measure::Descendants]), Command(|command, place| if place.mode != Mode::Stream { escape(command, place); })]),
    fault("pipeline-rightmost", &[Function(&Wiring { exit: Some(rightmost), ..ONE_OF_SEVERAL })]),
    fault("pipeline-sigpipe-counts", &[Function(&Wiring { exit: Some(|_, ending, _| if ending == Ending::Signal(13) { Ending::Exit(1) } else { ending }), ..ONE_OF_SEVERAL })]),
];

fn hello_late(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if frame.says_hello() => {
            memory.held.push(frame);
            vec![]
        }
        Seen::Down(frame) => {
            let held = memory.held.drain(..).map(Do::Down);
            held.chain([Do::Down(frame)]).collect()
        }
        other => other.pass(),
    }
}

fn other_version(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit(|message| {
            if let Some(hello) = &mut message.hello {
                hello.fsi = "1.1".to_owned();
            }
        });
    }
    seen.pass()
}

/// Text before the hello is no message in any encoding; the first thing that is one is the hello.
fn banner_skipped(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) if !memory.greeted && frame.message.is_none() => vec![],
        other => other.pass(),
    }
}

fn same_attempt(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit(|message| {
            if let Some(context) = &mut message.context {
                context.attempt = 1;
            }
        });
    }
    seen.pass()
}

fn same_number(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(mut frame) => {
            if let Some(message) = &frame.message
                && let Some(context) = &message.context
            {
                // The number of the first attempt by the invocation's name.
                let first = memory
                    .texts
                    .entry(context.invocation_id.clone())
                    .or_insert_with(|| message.call.to_string());
                let first = first.parse().unwrap_or(message.call);
                memory.numbers.insert(message.call, first);
            }
            let first = memory.numbers.get(&frame.call()).copied();
            frame.edit(|message| message.call = first.unwrap_or(message.call));
            vec![Do::Down(frame)]
        }
        Seen::Up(mut frame) => {
            let last = memory.numbers.iter().rev();
            let last = last
                .filter(|(_, first)| **first == frame.call())
                .map(|(call, _)| *call);
            let last = last.max();
            frame.edit(|message| message.call = last.unwrap_or(message.call));
            vec![Do::Up(frame)]
        }
        other => other.pass(),
    }
}

fn new_invocation(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit(|message| {
            if let Some(context) = &mut message.context
                && context.attempt > 1
            {
                context.invocation_id += &format!("-{}", context.attempt);
            }
        });
    }
    seen.pass()
}

/// Each call has the lowest number that no open call has.
fn number_reused(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(mut frame) if frame.call() != 0 => {
            let call = frame.call();
            if frame.message.as_ref().is_some_and(|m| m.context.is_some()) {
                memory
                    .numbers
                    .retain(|known, _| memory.open.contains_key(known));
                let free = (1..).find(|n| !memory.numbers.values().any(|used| used == n));
                memory.numbers.insert(call, free.unwrap_or(call));
            }
            let number = memory.numbers.get(&call).copied().unwrap_or(call);
            frame.edit(|message| message.call = number);
            vec![Do::Down(frame)]
        }
        Seen::Up(mut frame) => {
            let number = frame.call();
            let call = memory.numbers.iter().find(|(_, used)| **used == number);
            let call = call.map_or(number, |(call, _)| *call);
            frame.edit(|message| message.call = call);
            vec![Do::Up(frame)]
        }
        other => other.pass(),
    }
}

/// What the host writes behind the function's own `end`, an `end` or a `cancel`, gets lost.
fn early_end_unanswered(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) => {
            if frame.ends() && memory.open.contains_key(&frame.call()) {
                memory.marked.insert(frame.call());
            }
            vec![Do::Up(frame)]
        }
        Seen::Down(frame) if memory.marked.contains(&frame.call()) => vec![],
        other => other.pass(),
    }
}

fn cancel_believed(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) => {
            if frame.cancels() {
                memory.marked.insert(frame.call());
            }
            vec![Do::Down(frame)]
        }
        Seen::Up(frame) if frame.cancels() && !memory.marked.contains(&frame.call()) => {
            let status = Status::new(Code::Cancelled, "the function has cancelled it");
            vec![Do::Up(Frame::end(frame.call(), status))]
        }
        other => other.pass(),
    }
}

/// What comes for a call that nobody has opened is kept for the one that will have its number.
fn foreign_delivered(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) => {
            let first = memory.marked.insert(frame.call());
            let mine = |held: &mut Frame| first && held.call() == frame.call();
            let kept: Vec<Frame> = memory.held.extract_if(.., mine).collect();
            let kept = kept.into_iter().map(Do::Up);
            [Do::Down(frame)].into_iter().chain(kept).collect()
        }
        Seen::Up(frame) if frame.call() != 0 && !memory.marked.contains(&frame.call()) => {
            memory.held.push(frame);
            vec![]
        }
        other => other.pass(),
    }
}

fn invalid_passed(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen
        && frame.invalid
    {
        frame.edit_json(|message| {
            message["event"]["id"] = "invalid".into();
        });
    }
    seen.pass()
}

fn invalid_unknown(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) if frame.invalid => {
            let status = Status::new(Code::Unknown, "invalid");
            vec![Do::Up(Frame::end(frame.call(), status))]
        }
        other => other.pass(),
    }
}

fn at_deadline(message: &Message) -> bool {
    message
        .cancel
        .as_ref()
        .is_some_and(|cancel| cancel.reason == "deadline")
}

fn no_cancel(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if frame.message.as_ref().is_some_and(at_deadline) => vec![],
        other => other.pass(),
    }
}

fn cancel_then_end(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if frame.cancels() => {
            let end = Frame::end(frame.call(), Status::ok());
            vec![Do::Down(frame), Do::Down(end)]
        }
        other => other.pass(),
    }
}

/// An overdue call seems to have ended just in time, so that the host uses the process on.
fn reused(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const SHORT_OF_THE_GRACE: Duration = Duration::from_millis(700);
    match seen {
        Seen::Down(frame) => {
            if frame.message.as_ref().is_some_and(at_deadline) {
                memory.since.insert(frame.call(), Instant::now());
            }
            vec![Do::Down(frame)]
        }
        Seen::Up(frame) => {
            if frame.ends() {
                memory.since.remove(&frame.call());
            }
            vec![Do::Up(frame)]
        }
        Seen::Tick => {
            let due = |_: &u64, at: &mut Instant| at.elapsed() > SHORT_OF_THE_GRACE;
            let due: Vec<(u64, Instant)> = memory.since.extract_if(.., due).collect();
            let end = |call| {
                let status = Status::new(Code::DeadlineExceeded, "overdue");
                Do::Up(Frame::end(call, status))
            };
            due.into_iter().map(|(call, _)| end(call)).collect()
        }
        other => other.pass(),
    }
}

/// At its deadline a call begins once more under another number; what ends first is the result.
fn retry_early(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const SECOND: u64 = 1 << 40;
    match seen {
        Seen::Down(frame) if frame.message.as_ref().is_some_and(at_deadline) => {
            let came = memory.open.get(&frame.call()).cloned().unwrap_or_default();
            let whole = came.into_iter().filter(|frame| !frame.cancels());
            let again = whole.map(|mut frame| {
                frame.edit(|message| {
                    message.call += SECOND;
                    if let Some(context) = &mut message.context {
                        context.attempt += 1;
                    }
                });
                Do::Down(frame)
            });
            [Do::Down(frame)].into_iter().chain(again).collect()
        }
        Seen::Up(mut frame) => {
            let call = frame.call() % SECOND;
            if memory.marked.contains(&call) {
                return vec![];
            }
            if frame.ends() {
                memory.marked.insert(call);
            }
            frame.edit(|message| message.call = call);
            vec![Do::Up(frame)]
        }
        other => other.pass(),
    }
}

fn exit_decides(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Exit(ending) => {
            let code = match ending {
                Ending::Exit(status) => Code::from_exit(status),
                Ending::Signal(_) => Code::Internal,
            };
            let end = |&call: &u64| Do::Up(Frame::end(call, Status::new(code, "it has exited")));
            memory.open.keys().map(end).collect()
        }
        // The exit comes first.
        Seen::UpEnd(rest) if rest.is_empty() => vec![],
        other => other.pass(),
    }
}

fn stdout_held(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::UpEnd(_) => vec![],
        other => other.pass(),
    }
}

/// An `end` counts when the process has lived on for a while.
fn ends_held(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const WHILE: Duration = Duration::from_millis(100);
    match seen {
        Seen::Up(mut frame) if frame.ends() => {
            let call = frame.call();
            let end = frame
                .message
                .as_ref()
                .and_then(|message| message.end.clone());
            memory.held.push(Frame::end(call, end.unwrap_or_default()));
            memory.since.insert(call, Instant::now());
            frame.edit(|message| message.end = None);
            vec![Do::Up(frame)]
        }
        Seen::Tick => {
            let since = &memory.since;
            let due = |held: &mut Frame| {
                since
                    .get(&held.call())
                    .is_none_or(|at| at.elapsed() > WHILE)
            };
            memory.held.extract_if(.., due).map(Do::Up).collect()
        }
        other => other.pass(),
    }
}

/// What is malformed is taken for the death of the function.
fn malformed_dies(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) if frame.message.is_none() => vec![Do::Kill, Do::EndUp],
        other => other.pass(),
    }
}

fn resynchronised(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) if frame.message.is_none() && memory.greeted => vec![],
        other => other.pass(),
    }
}

fn cut_dropped(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::UpEnd(_) => vec![Do::EndUp],
        other => other.pass(),
    }
}

/// The first line that is not empty comes again at the end.
fn first_line_last(mut all: Vec<u8>) -> Vec<u8> {
    let mut lines = all.split(|&b| b == b'\n');
    let first = lines.find(|line| !line.trim_ascii().is_empty());
    let first = first.unwrap_or_default().to_vec();
    all.extend([&b"\n"[..], &first, b"\n"].concat());
    all
}

/// The detail and the attribute by which the driver's side learns of something.
const ASIDE: &str = "faultaside";

fn bad_hello_marked(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit(|message| {
            if let Some(hello) = message.hello.as_mut().filter(|hello| !hello.status.is_ok()) {
                hello
                    .status
                    .details
                    .insert(ASIDE.to_owned(), "1".to_owned());
            }
        });
    }
    seen.pass()
}

fn marked_unavailable(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit(|message| {
            let marked = |end: &&mut Status| end.details.contains_key(ASIDE);
            if let Some(end) = message.end.as_mut().filter(marked) {
                end.code = Code::Unavailable;
            }
        });
    }
    seen.pass()
}

/// The invocation that a function names, where it is another than its call's, goes into its event.
fn context_aside(memory: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        let came = memory.open.get(&frame.call()).and_then(|came| came.first());
        let context = |frame: &Frame| {
            Some(
                frame
                    .message
                    .as_ref()?
                    .context
                    .as_ref()?
                    .invocation_id
                    .clone(),
            )
        };
        let (own, other) = (came.and_then(context), context(frame));
        if let Some(other) = other.filter(|other| Some(other) != own.as_ref()) {
            frame.edit(|message| {
                let event = message.event.as_ref().map(|event| event.to_builder());
                if let Some(Ok(event)) = event.map(|event| event.attribute(ASIDE, other).build()) {
                    message.event = Some(event);
                }
            });
        }
    }
    seen.pass()
}

fn context_back(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit_json(|message| {
            let event = message["event"].as_object_mut();
            if let Some(other) = event.and_then(|event| event.remove(ASIDE)) {
                message["context"]["invocationId"] = other;
            }
        });
    }
    seen.pass()
}

/// A failure counts unless a later stage fails too. The stages share their TMPDIR.
fn rightmost(_: &Memory, ending: Ending, place: &Place) -> Ending {
    const PATIENCE: Duration = Duration::from_secs(1);
    if ending == Ending::Exit(0) {
        return ending;
    }
    let failed = |stage: usize| std::env::temp_dir().join(format!("failed-{stage}"));
    let _ = std::fs::write(failed(place.stage), "");
    let since = Instant::now();
    let later = place.stage + 1..=place.stages;
    while since.elapsed() < PATIENCE && place.stage < place.stages {
        if later.clone().any(|stage| failed(stage).exists()) {
            return Ending::Exit(0);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ending
}
