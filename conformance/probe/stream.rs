//! Stream mode: the loop that reads, and what each message means to its call.
//!
//! This is a second reading of spec/messages.md, on purpose: it shares nothing with the library's
//! own function side but the decoders, so that each checks the other.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use libfaas::{Cancel, Code, Event, Message, Received, Status, Violation};
use rustix::event::{PollFd, PollFlags, poll};

use crate::call::{Call, Fate, Unfinished};
use crate::fault::{accepted_rule, fault};
use crate::greet::{greet, hello, input_ended_before_hello};
use crate::input::Input;
use crate::output::Output;
use crate::setup::Setup;
use crate::stdio;
use crate::work::{State, Work};

/// Serves calls until the input ends, or something ends the process.
pub(crate) fn serve(setup: &Setup) -> io::Result<()> {
    let (file, stdout) = stdio::claim()?;
    exit_when_closed(stdout.watcher()?);
    let mut output = Output::new(stdout, setup);
    if fault!("banner") {
        output.raw(b"Loading the model, please wait\n");
    }
    if fault!("hello-before-input") {
        output.message(&hello(Status::ok()));
    }
    let work = Work::new(setup, output);
    work.watch_sigterm()?;
    let mut file = file;
    let mut buffer = vec![0; 65_536];
    let mut input = Input::new(setup.encoding, setup.max_message_bytes);
    let mut greeted = false;
    loop {
        let len = file.read(&mut buffer)?;
        work.reads.fetch_add(1, Ordering::SeqCst);
        if fault!("answer-at-next") {
            work.state().output.release();
        }
        match len {
            0 => input.finish(),
            _ => input.push(&buffer[..len]),
        }
        loop {
            match input.next() {
                Ok(Some(received)) if !greeted => {
                    greeted = true;
                    greet(&work, setup, received.message.hello.as_ref());
                    if received.message.hello.is_none() {
                        accept(&work, received);
                    }
                }
                Ok(Some(received)) => accept(&work, received),
                Ok(None) => break,
                Err(violation) if violation.rule() == "encoding-truncated" => {
                    truncated(&work, &violation)
                }
                Err(violation) => malformed(&work, &explained(&violation)),
            }
        }
        if len == 0 {
            if !greeted {
                input_ended_before_hello(&work);
            }
            if fault!("drain-drops") && work.is_mid_answer() {
                exit(0);
            }
            work.drain(0);
        }
    }
}

/// Ends the process once nobody reads its stdout, also while there is nothing to write.
fn exit_when_closed(stdout: OwnedFd) {
    if fault!("stdout-closed-stays") || fault!("stdout-closed-unnoticed") {
        return;
    }
    thread::spawn(move || {
        loop {
            // Asked for nothing: an error is reported all the same.
            let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut fds, None) {
                Ok(_) if fds[0].revents().contains(PollFlags::ERR) => exit(0),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}

fn explained(violation: &Violation) -> String {
    if violation.rule() == "hello-missing" && fault!("banner-unquoted") {
        return "expected a hello".to_owned();
    }
    violation.to_string()
}

fn malformed(work: &Arc<Work>, why: &str) -> ! {
    // Nobody is to be cut off inside a message that is being written.
    let _state = work.state();
    if !fault!("malformed-silent") {
        eprintln!("malformed input: {why}");
    }
    exit(match () {
        () if fault!("malformed-exit-0") => 0,
        () if fault!("malformed-exit-1") => 1,
        () => 65,
    })
}

fn truncated(work: &Arc<Work>, violation: &Violation) -> ! {
    eprintln!("malformed input: {violation}");
    if fault!("truncated-drops") && work.is_mid_answer() {
        exit(65);
    }
    work.drain(if fault!("truncated-exit-0") { 0 } else { 65 })
}

/// Applies one message to its call.
fn accept(work: &Arc<Work>, received: Received) {
    let Received {
        message,
        invalid_event,
    } = received;
    let call = message.call;
    let carries_event = message.event.is_some() || invalid_event.is_some();
    let carries_input = carries_event || message.chunk.is_some() || message.end.is_some();
    let mut state = work.state();
    if !carries_input && message.cancel.is_none() {
        if fault!("message-empty-opens") && call > 0 {
            work.open(&mut state, call, message.context);
        }
        return;
    }
    if state.past.fate(call) == Some(Fate::Cancelled) {
        if fault!("cancel-copied-twice") && message.cancel.is_some() {
            state.output.message(&Message {
                call,
                cancel: message.cancel,
                ..Message::default()
            });
            return;
        }
        if fault!("cancel-then-malformed") {
            drop(state);
            malformed(work, &format!("something for call {call} after its cancel"));
        }
        if !fault!("cancel-reopened") {
            return;
        }
        state.past.forget(call);
    }
    let cancel = message.cancel.clone();
    let carries_input = carries_input && !(cancel.is_some() && fault!("cancel-drops-message"));
    if carries_input && let Err((rule, why)) = input(work, &mut state, message, invalid_event) {
        if fault!("malformed-ends-call") {
            state.open_if_unknown(call);
            state.end(call, Status::new(Code::InvalidArgument, why));
        } else if Some(rule) != accepted_rule() {
            drop(state);
            malformed(work, &format!("call {call}: {why} (rule {rule})"));
        }
        return;
    }
    if let Some(cancel) = cancel {
        cancelled(work, state, call, cancel);
    }
}

/// The event, chunk and end of a message. An error names the rule that makes the stream malformed.
fn input(
    work: &Arc<Work>,
    state: &mut State,
    message: Message,
    invalid: Option<Violation>,
) -> Result<(), (&'static str, String)> {
    let Message {
        call: n,
        context,
        event,
        chunk,
        more,
        end,
        ..
    } = message;
    if state.past.fate(n) == Some(Fate::Finished)
        || state.calls.get(&n).is_some_and(|call| call.input_ended)
    {
        return Err((
            "stream-input-ended",
            "input for a call whose input had ended".to_owned(),
        ));
    }
    if fault!("context-global")
        && let Some(context) = &context
    {
        state.last_context = context.clone();
    }
    // What was read at once may reach the call before or after its handler ends it: that is not for a
    // fault to depend on.
    let reads = work.reads.load(Ordering::SeqCst);
    let has_ended = |call: &Call| call.output_ended && call.ended_in < reads;
    if state.calls.get(&n).is_some_and(has_ended) {
        if fault!("early-end-malformed") {
            return Err((
                "stream-early-end",
                "input for a call that was ended".to_owned(),
            ));
        }
        if fault!("early-end-handled")
            && let Some(event) = &event
        {
            state.output.message(&Message {
                call: n,
                event: Some(event.clone()),
                ..Message::default()
            });
        }
    }
    let begins = event.is_some() || invalid.is_some();
    if let Some(call) = state.calls.get_mut(&n) {
        if fault!("context-later-wins") && context.is_some() {
            call.context = context;
        }
    } else {
        if !begins && chunk.is_some() {
            return Err(chunk_without_event());
        }
        if fault!("end-alone-ignored") && !begins && end.as_ref().is_some_and(Status::is_ok) {
            return Ok(());
        }
        work.open(state, n, context);
    }
    if let Some(violation) = invalid {
        invalid_event(work, state, n, &violation)?;
    }
    if let Some(event) = event {
        take_event(work, state, n, event, more)?;
    }
    if let Some(chunk) = chunk
        && let Some(call) = state.receiving(n)
    {
        // An event's data goes on in a later message.
        let unfinished = call.unfinished.as_mut();
        let Some(unfinished) = unfinished.filter(|_| !begins) else {
            return Err(chunk_without_event());
        };
        unfinished.push(chunk);
        if !more {
            complete(state, n);
        }
    }
    work.bound(state, n);
    if let Some(status) = end {
        take_end(state, n, status)?;
    }
    work.changed.notify_all();
    Ok(())
}

fn chunk_without_event() -> (&'static str, String) {
    let why = "a chunk for a call without an unfinished event";
    ("chunk-without-event", why.to_owned())
}

fn take_event(
    work: &Arc<Work>,
    state: &mut State,
    n: u64,
    event: Event,
    more: bool,
) -> Result<(), (&'static str, String)> {
    let Some(call) = state.receiving(n) else {
        return Ok(());
    };
    if call.unfinished.is_some() {
        if accepted_rule() != Some("chunk-event-unfinished") {
            return Err((
                "chunk-event-unfinished",
                "an event before the one before it was complete".to_owned(),
            ));
        }
        complete(state, n);
    }
    let Some(call) = state.receiving(n) else {
        return Ok(());
    };
    if more {
        call.unfinished = Some(Unfinished::new(event));
    } else {
        call.inbox.push_back(event);
    }
    work.changed.notify_all();
    Ok(())
}

/// The event whose last piece came goes to the handler, if it is one.
fn complete(state: &mut State, n: u64) {
    let Some(call) = state.receiving(n) else {
        return;
    };
    let Some(unfinished) = call.unfinished.take() else {
        return;
    };
    match unfinished.complete() {
        Ok(event) => call.inbox.push_back(event),
        Err(why) => state.end(n, Status::new(Code::InvalidArgument, why)),
    }
}

fn invalid_event(
    work: &Arc<Work>,
    state: &mut State,
    n: u64,
    violation: &Violation,
) -> Result<(), (&'static str, String)> {
    if Some(violation.rule()) == accepted_rule() {
        let accepted = Event::builder("accepted", "/fsi/probe", "fsi.probe.echo")
            .build()
            .expect("valid by construction");
        return take_event(work, state, n, accepted, false);
    }
    if fault!("invalid-event-malformed") {
        return Err((violation.rule(), violation.to_string()));
    }
    if !fault!("invalid-event-ignored") {
        let code = if fault!("invalid-event-internal") {
            Code::Internal
        } else {
            Code::InvalidArgument
        };
        state.end(n, Status::new(code, violation.to_string()));
    }
    Ok(())
}

fn take_end(state: &mut State, n: u64, mut status: Status) -> Result<(), (&'static str, String)> {
    let Some(call) = state.receiving(n) else {
        state.forget(n, Fate::Finished);
        return Ok(());
    };
    if status.is_ok() {
        if call.unfinished.is_some() {
            if accepted_rule() != Some("chunk-end-unfinished") {
                return Err((
                    "chunk-end-unfinished",
                    "`end` OK before the event was complete".to_owned(),
                ));
            }
            complete(state, n);
        }
        if let Some(call) = state.calls.get_mut(&n) {
            call.input_ended = true;
        }
        return Ok(());
    }
    call.input_ended = true;
    let unfinished = call.unfinished.take();
    if fault!("chunk-kept-after-error")
        && let Some(Ok(event)) = unfinished.map(Unfinished::complete)
    {
        state.output.message(&Message {
            call: n,
            event: Some(event),
            ..Message::default()
        });
    } else if fault!("error-not-passed") {
        return Ok(());
    } else if fault!("error-waits-for-handler") {
        call.inbox.clear();
        call.failure = Some(status);
        return Ok(());
    }
    if fault!("error-details-lost") {
        status.details.clear();
    }
    state.end(n, status);
    Ok(())
}

fn cancelled(
    work: &Arc<Work>,
    mut state: std::sync::MutexGuard<'_, State>,
    n: u64,
    mut cancel: Cancel,
) {
    while fault!("cancel-at-handler-end") && state.calls.get(&n).is_some_and(|call| call.busy) {
        state = work.changed.wait(state).expect("no holder panics");
    }
    let known = state.calls.contains_key(&n);
    let late =
        state.past.fate(n).is_some() || state.calls.get(&n).is_some_and(|call| call.output_ended);
    if fault!("cancel-reason-lost") {
        cancel.reason.clear();
    }
    let lost = fault!("cancel-not-copied")
        || fault!("cancel-unknown-not-copied") && !known && !late
        || fault!("cancel-late-not-copied") && late;
    if !lost {
        state.output.message(&Message {
            call: n,
            cancel: Some(cancel),
            ..Message::default()
        });
    }
    if !known && !late && fault!("cancel-unseen-ended") {
        state.open_if_unknown(n);
    }
    if fault!("cancel-end-ok") {
        state.end(n, Status::ok());
    } else if !fault!("cancel-without-end") {
        state.end(n, Status::new(Code::Cancelled, "the call was cancelled"));
    }
    state.forget(n, Fate::Cancelled);
    work.changed.notify_all();
}

impl State {
    /// The call, if what is read for it still counts.
    fn receiving(&mut self, call: u64) -> Option<&mut Call> {
        self.calls.get_mut(&call).filter(|call| !call.output_ended)
    }

    fn open_if_unknown(&mut self, call: u64) {
        self.calls.entry(call).or_insert_with(|| Call::new(None));
    }
}
