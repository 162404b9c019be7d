//! The answers on stdin: results of one invocation, or a stream of calls.

use std::collections::BTreeMap;

use faas_adapters::Answer;
use libfaas::{Code, Encoding, Event, EventDecoder, Limits, Message, MessageDecoder, Status};

use crate::cli::Cli;

/// An answer for each of so many events, and why stdin could not be read to its end, if so: then no
/// answer is definite.
pub(crate) fn read(stdin: &[u8], cli: &Cli, events: usize) -> (Vec<Answer>, Option<String>) {
    let limits = Limits {
        max_message_bytes: 64 << 20,
        ..Limits::default()
    };
    let read = match cli.encoding == Encoding::Json && is_stream(stdin) {
        true => calls(stdin, limits, events),
        false => results(stdin, cli, limits, events),
    };
    match read {
        Ok(answers) => (answers, None),
        Err(fault) => (Vec::new(), Some(fault)),
    }
}

/// A stream begins with its hello; an event has a `specversion`.
fn is_stream(stdin: &[u8]) -> bool {
    let line = stdin.split(|byte| *byte == b'\n').next();
    let first = serde_json::from_slice::<serde_json::Value>(line.unwrap_or_default());
    first.is_ok_and(|first| first.get("hello").is_some())
}

/// One invocation had all events: its end is the end of each. Its results are the first one's, which
/// is the only one wherever results go back.
fn results(stdin: &[u8], cli: &Cli, limits: Limits, events: usize) -> Result<Vec<Answer>, String> {
    let code = cli.status.or(cli.exit_status.map(Code::from_exit));
    let status = code.map(|code| Status::new(code, ""));
    let mut decoder = EventDecoder::new(cli.encoding, limits);
    decoder.push(stdin);
    decoder.finish();
    let mut results = Vec::new();
    while let Some(event) = decoder.next().map_err(|fault| fault.to_string())? {
        results.push(event);
    }
    let answer = |results| Answer {
        events: results,
        status: status.clone(),
    };
    let mut answers: Vec<_> = (0..events).map(|_| answer(Vec::new())).collect();
    if let Some(first) = answers.first_mut() {
        first.events = results;
    }
    Ok(answers)
}

#[derive(Default)]
struct Call {
    answer: Answer,
    ended: bool,
    /// An event whose data goes on.
    unfinished: Option<(Event, Vec<u8>)>,
}

/// Call N answers the Nth event.
fn calls(stdin: &[u8], limits: Limits, events: usize) -> Result<Vec<Answer>, String> {
    let mut decoder = MessageDecoder::new(Encoding::Json, limits);
    decoder.push(stdin);
    decoder.finish();
    let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
    while let Some(received) = decoder.next().map_err(|fault| fault.to_string())? {
        let message = received.message;
        if message.call > 0 {
            take(calls.entry(message.call).or_default(), message)?;
        }
    }
    // A call too many shows that the numbers are not ours: then none of them is definite.
    let stranger = calls.keys().any(|call| *call > events as u64);
    let count = if stranger { events + 1 } else { events };
    let mut answer = |call: u64| calls.remove(&call).unwrap_or_default().answer;
    Ok((1..=count as u64).map(&mut answer).collect())
}

fn take(call: &mut Call, message: Message) -> Result<(), String> {
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
        let definite = !std::mem::replace(&mut call.ended, true) && call.unfinished.is_none();
        call.answer.status = Some(end).filter(|_| definite);
    }
    Ok(())
}
