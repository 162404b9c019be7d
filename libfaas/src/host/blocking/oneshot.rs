//! One invocation in binary or structured mode, from its start to its result.

use std::io::IoSlice;
use std::time::Instant;

use super::stream::broken;
use super::wires::{Read, Ready, Wires};
use crate::host::{Limit, OneShot, Record, Revision, Settings, start};
use crate::{Context, Event, Status};

pub(super) fn run(
    revision: &Revision,
    settings: &Settings,
    context: &Context,
    event: Event,
    deadline: Option<Instant>,
) -> (Result<Vec<Event>, Status>, Vec<Record>) {
    let mut records = Vec::new();
    let outcome = try_run(revision, settings, context, event, deadline, &mut records);
    (outcome, records)
}

fn try_run(
    revision: &Revision,
    settings: &Settings,
    context: &Context,
    event: Event,
    deadline: Option<Instant>,
    records: &mut Vec<Record>,
) -> Result<Vec<Event>, Status> {
    let mut invocation = OneShot::new(revision, settings, context, event.clone())?;
    let instance = start(revision, settings, Some((context, &event)))?;
    let mut wires = Wires::new(instance, settings.stderr_bytes).map_err(broken)?;
    let mut limit = None;
    // An empty pipe takes what most events have at once.
    let mut ready = Ready {
        stdin: true,
        ..Ready::default()
    };
    loop {
        if ready.stdin {
            let outgoing = invocation.outgoing();
            wires.widen_for(outgoing.len());
            match wires.write(&[IoSlice::new(outgoing)]) {
                Some(count) => invocation.wrote(count),
                None => invocation.write_end(),
            }
            if invocation.outgoing().is_empty() {
                wires.close_stdin();
            }
        }
        if ready.stdout
            && let Read::Bytes(bytes) = wires.read()
            && !invocation.read(bytes)
        {
            limit = Some(Limit::Output);
        }
        if ready.stderr {
            wires.read_stderr(|_| false);
        }
        if ready.process {
            wires.reap();
        }
        if !wires.all_ended() && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            limit.get_or_insert(Limit::Deadline);
        }
        if limit.is_some() {
            wires.kill();
        }
        if wires.all_ended() {
            break;
        }
        ready = wires.wait(true, deadline).map_err(broken)?;
    }
    // What the pipe holds at the exit belongs to it; a grandchild that goes on writing does not.
    let held = wires.held();
    let mut read = 0;
    while read < held
        && let Read::Bytes(bytes) = wires.read()
    {
        read += bytes.len() as u64;
        if !invocation.read(bytes) {
            break;
        }
    }
    wires.kill();
    let death = wires.death(limit);
    wires.take_records(records);
    invocation.outcome(death)
}
