//! The answers on stdin: results of one invocation, or a stream of calls.

use std::collections::BTreeMap;

use faas_adapters::Answer;
use libfaas::{Code, Encoding, Event, EventDecoder, Limits, Message, MessageDecoder, Status};

use crate::cli::Cli;
use crate::exit::Failure;

/// As much as libfaas puts together of one event.
fn limits() -> Limits {
    Limits {
        max_message_bytes: 64 << 20,
        ..Limits::default()
    }
}

/// An answer for each of so many events, and why stdin could not be read to its end, if so: then no
/// answer is definite.
pub(crate) fn read(stdin: &[u8], cli: &Cli, events: usize) -> (Vec<Answer>, Option<Failure>) {
    match cli.encoding == Encoding::Json && is_stream(stdin) {
        true => definite(calls(stdin, events)),
        false => {
            let code = cli.status.or(cli.exit_status.map(Code::from_exit));
            of_results(stdin, cli.encoding, code, events)
        }
    }
}

/// One invocation had all events: its end is the end of each. Its results are the first one's, which
/// is the only one wherever results go back.
pub(crate) fn of_results(
    stdout: &[u8],
    encoding: Encoding,
    code: Option<Code>,
    events: usize,
) -> (Vec<Answer>, Option<Failure>) {
    definite(results(stdout, encoding).map(|results| {
        let answer = |events| Answer {
            events,
            status: code.map(|code| Status::new(code, "")),
        };
        let mut answers: Vec<_> = (0..events).map(|_| answer(Vec::new())).collect();
        if let Some(first) = answers.first_mut() {
            first.events = results;
        }
        answers
    }))
}

fn definite(read: Result<Vec<Answer>, String>) -> (Vec<Answer>, Option<Failure>) {
    match read {
        Ok(answers) => (answers, None),
        Err(fault) => {
            let message = format!("{fault}; every event was reported as failed");
            (Vec::new(), Some(Failure::data(message)))
        }
    }
}

/// A stream begins with its hello, an object; an attribute of an event is none.
fn is_stream(stdin: &[u8]) -> bool {
    let first = stdin.trim_ascii_start().split(|byte| *byte == b'\n').next();
    let first = serde_json::from_slice::<serde_json::Value>(first.unwrap_or_default());
    first.is_ok_and(|first| first.get("hello").is_some_and(|hello| hello.is_object()))
}

fn results(stdin: &[u8], encoding: Encoding) -> Result<Vec<Event>, String> {
    let mut decoder = EventDecoder::new(encoding, limits());
    decoder.push(stdin);
    decoder.finish();
    let mut results = Vec::new();
    while let Some(event) = decoder.next().map_err(|fault| fault.to_string())? {
        results.push(event);
    }
    Ok(results)
}

#[derive(Default)]
struct Call {
    answer: Answer,
    ended: bool,
    /// An event whose data goes on.
    unfinished: Option<(Event, Vec<u8>)>,
    /// An invalid event came, or pieces that belong to none.
    broken: bool,
}

/// Call N answers the Nth event.
fn calls(stdin: &[u8], events: usize) -> Result<Vec<Answer>, String> {
    let mut decoder = MessageDecoder::new(Encoding::Json, limits());
    decoder.push(stdin);
    decoder.finish();
    let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
    while let Some(received) = decoder.next().map_err(|fault| fault.to_string())? {
        let message = received.message;
        if message.call > 0 {
            let call = calls.entry(message.call).or_default();
            call.broken |= received.invalid_event.is_some();
            take(call, message)?;
        }
    }
    // A call too many shows that the numbers are not ours: then none of them is definite.
    let stranger = calls.keys().any(|call| *call > events as u64);
    let count = if stranger { events + 1 } else { events };
    let mut answer = |call: u64| calls.remove(&call).unwrap_or_default().answer;
    Ok((1..=count as u64).map(&mut answer).collect())
}

fn take(call: &mut Call, message: Message) -> Result<(), String> {
    let goes_on = message.event.is_some() || call.unfinished.is_some();
    call.broken |= (message.event.is_some() && call.unfinished.is_some())
        || (message.chunk.is_some() && !goes_on);
    if let Some(event) = message.event {
        match message.more {
            true => call.unfinished = Some((event, Vec::new())),
            false => call.answer.events.push(event),
        }
    }
    if let (Some((_, data)), Some(chunk)) = (&mut call.unfinished, &message.chunk) {
        data.extend_from_slice(chunk);
        if !message.more
            && let Some((event, data)) = call.unfinished.take()
        {
            let whole = event.complete(&data).map_err(|fault| fault.to_string())?;
            call.answer.events.push(whole);
        }
    }
    if let Some(end) = message.end {
        // A second end makes the first one doubtful.
        let first = !std::mem::replace(&mut call.ended, true);
        let definite = first && call.unfinished.is_none() && !call.broken;
        call.answer.status = Some(end).filter(|_| definite);
    }
    Ok(())
}
