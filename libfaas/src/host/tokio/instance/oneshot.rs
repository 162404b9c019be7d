//! An instance in binary or structured mode: it lives for one call, with a process for each of its
//! events.

use std::time::Instant;

use rustix::process::Signal;
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::super::descriptor::{Descriptor, Rest, Watched, next_end, read, write};
use super::super::function::Tenure;
use super::super::invocation::{Attempt, Serving};
use super::super::starter::start_instance;
use super::ending;
use super::stderr::Stderr;

use crate::host::settings::later;
use crate::host::{Assembly, Death, Exit, Instance, Limit, OneShot, Part, Sandbox};
use crate::{Code, Context, Event, Status};

/// Bytes asked for in one read.
const READ: usize = 32 << 10;

/// Serves the one call that the instance is started for.
pub(super) async fn run(mut tenure: Tenure) {
    let serving = loop {
        let wishes = tenure.port.take();
        if let Some(invocation) = wishes.opened.into_iter().next() {
            break Serving::new(invocation);
        }
        tenure.port.changed().await;
    };
    let timeout = tenure.revision.bounds.timeout;
    let Attempt {
        context,
        deadline,
        cancelled,
    } = serving.begin(&tenure.port, timeout, Instant::now());
    let mut shot = Shot {
        tenure: &tenure,
        serving: &serving,
        context,
        deadline,
        stop: cancelled.map(|reason| Status::new(Code::Cancelled, reason)),
        drained_at: None,
        burials: Vec::new(),
    };
    let result = shot.serve().await;
    let burials = shot.burials;
    tenure.finished();
    tenure
        .function
        .attempt_over(serving.take(), result.err().unwrap_or_default());
    tenure.leave(None);
    for burial in burials {
        let _ = burial.await;
    }
}

struct Shot<'a> {
    tenure: &'a Tenure,
    serving: &'a Serving,
    context: Context,
    deadline: Option<Instant>,
    /// Why the call ends before its processes do.
    stop: Option<Status>,
    /// When the instance was asked to finish.
    drained_at: Option<Instant>,
    burials: Vec<JoinHandle<()>>,
}

/// A process and what is known of it.
struct Running {
    sandbox: Sandbox,
    processes: Vec<Watched>,
    stdin: Option<Descriptor>,
    stdout: Option<Descriptor>,
    stderr: Stderr,
    one: OneShot,
    limit: Option<Limit>,
    terminated: bool,
}

impl Shot<'_> {
    /// Has a process for each event of the call, in their order. The first failure ends it.
    async fn serve(&mut self) -> Result<(), Status> {
        let mut assembly = Assembly::default();
        let mut held = 0;
        loop {
            let mut part = self.next_input().await?;
            let end = part.end.take();
            if let Some(status) = end.clone().filter(|status| !status.is_ok()) {
                return Err(status);
            }
            held += part.chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            if self
                .tenure
                .revision
                .bounds
                .event
                .is_some_and(|limit| held > limit)
            {
                let message = "the event's data is larger than the function's limit";
                return Err(Status::new(Code::ResourceExhausted, message));
            }
            let unfinished = part.more;
            let whole = assembly.add(part);
            let whole =
                whole.map_err(|fault| Status::new(Code::InvalidArgument, fault.to_string()));
            if let Some(event) = whole? {
                held = 0;
                for event in self.invoke(event).await? {
                    self.serving.deliver(Part::event(event));
                }
            }
            match end {
                None => {}
                Some(_) if unfinished => {
                    let message = "the input ended before the data of its last event was complete";
                    return Err(Status::new(Code::InvalidArgument, message));
                }
                Some(_) => return Ok(()),
            }
        }
    }

    /// The next part of the input.
    async fn next_input(&mut self) -> Result<Part, Status> {
        loop {
            self.look();
            if let Some(status) = &self.stop {
                return Err(status.clone());
            }
            if let Some((part, _)) = self.serving.take_input() {
                return Ok(part);
            }
            // As for an instance that is drained in stream mode.
            let patience = self.tenure.function.core.options.settings.times.drain / 2;
            let drained = self.drained_at.map(|since| later(since, patience));
            let due = [self.deadline, drained].into_iter().flatten().min();
            tokio::select! {
                () = self.tenure.port.changed() => {}
                () = until(due) => {
                    let overdue = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
                    return Err(match overdue {
                        true => Status::new(Code::DeadlineExceeded, "the deadline has passed"),
                        false => Status::new(Code::Aborted, "the function is drained, and the call's input was not complete"),
                    });
                }
            }
        }
    }

    /// Looks at what the caller and the pool want.
    fn look(&mut self) {
        let wishes = self.tenure.port.take();
        if wishes.drain {
            self.drained_at.get_or_insert_with(Instant::now);
        }
        if let Some(reason) = self.serving.looked_at() {
            self.stop
                .get_or_insert_with(|| Status::new(Code::Cancelled, reason));
        }
    }

    /// One event, one process.
    async fn invoke(&mut self, event: Event) -> Result<Vec<Event>, Status> {
        let core = &self.tenure.function.core;
        let settings = &core.options.settings;
        let one = OneShot::new(
            &self.tenure.revision,
            settings,
            &self.context,
            event.clone(),
        )?;
        let invocation = Some((self.context.clone(), event));
        let instance = start_instance(core, &self.tenure.revision, invocation).await?;
        let failed = |error| Status::new(Code::Unavailable, format!("watching a process: {error}"));
        let mut running =
            Running::new(instance, one, self.tenure, &self.context).map_err(failed)?;
        self.attend(&mut running).await;
        let death = running.death().await;
        // What was killed is dead before another attempt may begin (`retry-after-certainty`).
        ending::await_death(&mut running.processes).await;
        let Running {
            sandbox,
            processes,
            stderr,
            one,
            ..
        } = running;
        let outcome = one.outcome(death);
        let burial = ending::bury(sandbox, processes, stderr);
        self.burials.push(core.runtime.spawn(burial));
        match &self.stop {
            Some(status) => Err(status.clone()),
            None => outcome,
        }
    }

    /// Reads and writes until all processes have ended, or have to.
    async fn attend(&mut self, running: &mut Running) {
        let times = self.tenure.function.core.options.settings.times;
        let mut buffer = vec![0; READ];
        loop {
            self.look();
            if running.one.outgoing().is_empty() {
                running.stdin = None;
            }
            let over = running
                .processes
                .iter_mut()
                .all(|process| process.exit().is_some());
            if over || self.stop.is_some() || running.limit.is_some() {
                return;
            }
            let ladder = self.drained_at.map(|since| match running.terminated {
                false => later(since, times.drain),
                true => later(later(since, times.drain), times.term_grace),
            });
            let due = [self.deadline, ladder].into_iter().flatten().min();
            tokio::select! {
                () = next_end(&mut running.processes) => {}
                count = read(&running.stdout, &mut buffer) => running.was_read(count, &buffer),
                written = write(&running.stdin, running.one.outgoing()) => match written {
                    Ok(count) => running.one.wrote(count),
                    // The function has read enough (`oneshot-epipe`).
                    Err(_) => running.one.write_end(),
                },
                () = self.tenure.port.changed() => {}
                () = until(due) => self.time_is_up(running),
            }
        }
    }

    fn time_is_up(&mut self, running: &mut Running) {
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            running.limit = Some(Limit::Deadline);
        } else if running.terminated {
            let message = "the process was killed: it did not end after SIGTERM";
            self.stop = Some(Status::new(Code::Unavailable, message));
        } else {
            running.terminated = true;
            running
                .processes
                .iter()
                .for_each(|process| process.signal(Signal::TERM));
        }
    }
}

impl Running {
    fn new(
        instance: Instance,
        one: OneShot,
        tenure: &Tenure,
        context: &Context,
    ) -> std::io::Result<Self> {
        let Instance {
            sandbox,
            processes,
            stdin,
            stdout,
            stderr,
        } = instance;
        Ok(Running {
            processes: processes
                .into_iter()
                .map(Watched::new)
                .collect::<Result<_, _>>()?,
            stdin: Some(Descriptor::new(stdin, Interest::WRITABLE)?),
            stdout: Some(Descriptor::new(stdout, Interest::READABLE)?),
            stderr: Stderr::new(stderr, tenure, Some(context))?,
            sandbox,
            one,
            limit: None,
            terminated: false,
        })
    }

    fn was_read(&mut self, count: std::io::Result<usize>, buffer: &[u8]) {
        match count {
            Ok(count) if count > 0 => {
                if !self.one.read(&buffer[..count]) {
                    self.limit.get_or_insert(Limit::Output);
                }
            }
            Ok(_) | Err(_) => self.stdout = None,
        }
    }

    /// How it ended. The order is that of `oneshot-exit-ends`: the exit is known, what stdout still
    /// holds is read, and whatever else is there is killed.
    async fn death(&mut self) -> Death {
        let exits: Vec<Option<Exit>> = self.processes.iter_mut().map(Watched::exit).collect();
        let memory = self.sandbox.memory_exceeded();
        self.sandbox.kill();
        self.stdin = None;
        self.read_rest();
        // One that has no exit is killed for a limit, or because nobody wants its result.
        let exits: Vec<Exit> = exits
            .into_iter()
            .map(|exit| exit.unwrap_or(Exit::Signal(9)))
            .collect();
        let exit = Exit::of_pipeline(exits.iter().copied());
        let stage = exits
            .iter()
            .position(|&one| one == exit)
            .unwrap_or(exits.len() - 1);
        let mut death = Death::new(exit, self.stderr.last_line(stage).await);
        let memory = memory || self.sandbox.memory_exceeded();
        death.limit = self.limit.or(memory.then_some(Limit::Memory));
        death
    }

    fn read_rest(&mut self) {
        let mut buffer = vec![0; READ];
        let mut rest = Rest::of(&self.stdout);
        while let Some(stdout) = &self.stdout
            && rest.is_left()
            && self.limit.is_none()
        {
            match stdout.try_read(&mut buffer) {
                Ok(None) => return,
                Ok(Some(count)) => {
                    rest.was_read(count);
                    self.was_read(Ok(count), &buffer);
                }
                Err(error) => self.was_read(Err(error), &buffer),
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
