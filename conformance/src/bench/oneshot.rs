//! A process for each event.

use std::time::Instant;

use libfaas::{Encoding, Event, EventDecoder, Limits, Mode, binary, encode_event};

use super::link::{Launch, interrupted};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::target::Target;

/// Bytes that one run may write.
const FLOOD: usize = 256 << 20;

/// A run: seconds from before the start until the process is gone, and its answer if that is no error.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) seconds: f64,
    pub(super) stdout: Vec<u8>,
    /// How it failed, in words, if it did.
    pub(super) failed: Option<String>,
}

/// Has it run with an event.
pub(super) fn prepared(
    launch: &Launch,
    target: Target,
    event: &Event,
) -> Result<(Launch, Vec<u8>)> {
    let mut launch = launch.clone();
    let context = [("FAAS_INVOCATION_ID", "bench"), ("FAAS_ATTEMPT", "1")];
    let context = context.map(|(name, value)| (name.to_owned(), value.to_owned()));
    launch.env.extend(context);
    if target.mode != Mode::Binary {
        let mut input = Vec::new();
        encode_event(event, target.encoding, &mut input);
        return Ok((launch, input));
    }
    let variables = binary::to_vars(event).map_err(|e| {
        Error::usage(
            format!("the event does not fit into the environment: {e}"),
            "give a --sample with smaller attributes",
        )
    })?;
    launch.env.extend(variables);
    let data = event.data().map_or(&[][..], libfaas::Data::as_bytes);
    Ok((launch, data.to_vec()))
}

/// Starts it, writes the input, reads to the end.
pub(super) fn run(launch: &Launch, input: &[u8]) -> Result<Run> {
    let input = input.to_vec();
    let begin = Instant::now();
    let deadline = begin + launch.patience;
    let mut subject = launch.start()?;
    subject.write(input, false, None);
    subject.close_stdin();
    let mut stdout = Vec::new();
    loop {
        let turned = subject.turn(deadline, &mut stdout);
        turned.map_err(|e| launch.refuse(&format!("it can't be waited for: {e}"), &mut subject))?;
        if let Some(exit) = subject.exit().filter(|_| subject.stdout_ended()) {
            let seconds = begin.elapsed().as_secs_f64();
            let failed = (!exit.success()).then(|| subject.last_words());
            return Ok(Run {
                seconds,
                stdout,
                failed,
            });
        }
        if interrupt::raised() {
            return Err(interrupted());
        }
        if stdout.len() > FLOOD {
            let what = format!("it wrote more than {} MiB for one event", FLOOD >> 20);
            return Err(launch.refuse(&what, &mut subject));
        }
        if Instant::now() >= deadline {
            let what = format!("it did not exit within {} s", launch.patience.as_secs_f64());
            return Err(launch.refuse(&what, &mut subject));
        }
    }
}

/// Whether what was written is what this mode allows: any bytes, or whole events.
pub(super) fn check(stdout: &[u8], target: Target) -> Result<(), String> {
    if target.mode == Mode::Binary {
        return Ok(());
    }
    check_events(stdout, target.encoding)
        .map_err(|e| format!("its stdout is no stream of events: {e}"))
}

fn check_events(stdout: &[u8], encoding: Encoding) -> Result<(), libfaas::Violation> {
    let mut decoder = EventDecoder::new(encoding, Limits::default());
    decoder.push(stdout);
    decoder.finish();
    while decoder.next()?.is_some() {}
    Ok(())
}
