//! One thread that calls a function, one call at a time: no other thread is on the way.

mod oneshot;
mod stream;
mod wires;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Assembly, Part, Record, Revision, Settings};
use crate::{Code, Context, Event, Hello, Mode, Status};

use stream::Running;

/// A function that one thread calls, one call at a time.
///
/// In stream mode one instance serves all calls; it is started by the first and replaced by the
/// next one after it has died. In the other modes each call has its own. While no call runs nobody
/// reads what the instance writes: a function that floods its log then waits for the next call.
///
/// ```no_run
/// use libfaas::host::{Blocking, Revision, Settings};
/// use libfaas::{Context, Event, Manifest};
///
/// let manifest = Manifest::from_path("count/function.yaml")?;
/// let settings = Settings::default();
/// let revision = Revision::new(manifest, "count", "acme", "r1", &settings)?;
///
/// let mut function = Blocking::new(revision, settings);
/// let event = Event::builder("1", "/shop", "order.placed").build()?;
/// for result in function.call(Context::default(), event)? {
///     println!("{}", result.to_json());
/// }
/// function.close();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Blocking {
    revision: Revision,
    settings: Settings,
    running: Option<Running>,
    /// What stderr of instances that are gone has said.
    records: VecDeque<Record>,
}

/// A call in stream mode. Dropping it before its end cancels it.
pub struct Call<'a> {
    function: &'a mut Blocking,
    call: u64,
    over: bool,
}

impl Blocking {
    /// Nothing is started yet.
    pub fn new(revision: Revision, settings: Settings) -> Self {
        Blocking {
            revision,
            settings,
            running: None,
            records: VecDeque::new(),
        }
    }

    /// Starts an instance in stream mode, unless one runs, and waits for its hello.
    ///
    /// # Errors
    ///
    /// How its start or its initialisation failed.
    pub fn start(&mut self) -> Result<Hello, Status> {
        self.running(Instant::now())?;
        loop {
            let Some(running) = &mut self.running else {
                let message = "the instance ended before its hello was seen";
                return Err(Status::new(Code::Unavailable, message));
            };
            if let Some(hello) = running.hello() {
                return Ok(hello.clone());
            }
            if let Some(status) = running.killed().cloned() {
                self.bury();
                return Err(status);
            }
            running.turn(None);
        }
    }

    /// Calls the function with one event, and waits for all of its results.
    ///
    /// # Errors
    ///
    /// The status that the call ended with, or with which it could not be made.
    pub fn call(&mut self, context: Context, event: Event) -> Result<Vec<Event>, Status> {
        if self.revision.mode != Mode::Stream {
            let (context, deadline) = self.prepare(context, Instant::now());
            let (outcome, records) =
                oneshot::run(&self.revision, &self.settings, &context, event, deadline);
            self.keep(records);
            return outcome;
        }
        let mut call = self.open(context)?;
        call.send(Part::last(event));
        let (mut assembly, mut events) = (Assembly::default(), Vec::new());
        while let Some(mut part) = call.next() {
            let end = part.end.take();
            let event = assembly.add(part);
            events.extend(event.map_err(|fault| Status::new(Code::Internal, fault.to_string()))?);
            match end {
                Some(end) if end.is_ok() => return Ok(events),
                Some(end) => return Err(end),
                None => {}
            }
        }
        Err(Status::new(Code::Internal, "a call ended without its end"))
    }

    /// Opens a call, for input or output that is more than an event.
    ///
    /// # Errors
    ///
    /// How the start of an instance failed. FAILED_PRECONDITION for a function that is not run in
    /// stream mode.
    pub fn open(&mut self, context: Context) -> Result<Call<'_>, Status> {
        if self.revision.mode != Mode::Stream {
            let message = format!(
                "{}: expected a function in stream mode, got one in {} mode; give it whole events",
                self.revision.manifest.name, self.revision.mode
            );
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let mut now = Instant::now();
        let (context, deadline) = self.prepare(context, now);
        loop {
            let running = self.running(now)?;
            if running.room() {
                let call = running.open(context, deadline);
                return Ok(Call {
                    function: self,
                    call,
                    over: false,
                });
            }
            // A call that was dropped has not ended yet; its grace bounds this.
            running.turn(None);
            now = Instant::now();
        }
    }

    /// The next line that the function has written to stderr; see [`Log`](super::Log).
    pub fn record(&mut self) -> Option<Record> {
        if self.records.is_empty()
            && let Some(running) = &mut self.running
        {
            running.take_records(&mut self.records);
        }
        self.records.pop_front()
    }

    /// Drains the instance, if one runs: closes its stdin and waits for its end, sends SIGTERM after
    /// the drain time and kills it after the grace (`drain-host-kill`). How it ended.
    pub fn close(&mut self) -> Option<super::Exit> {
        let exit = self.running.as_mut()?.close(self.settings.times);
        self.bury();
        Some(exit)
    }

    /// The instance that takes calls: one that died is replaced.
    fn running(&mut self, now: Instant) -> Result<&mut Running, Status> {
        if let Some(running) = &mut self.running {
            running.catch_up(now);
            if running.killed().is_some() {
                self.bury();
            }
        }
        if self.running.is_none() {
            self.running = Some(Running::start(&self.revision, &self.settings)?);
        }
        Ok(self.running.as_mut().expect("it has just been started"))
    }

    /// Kills what is left of the instance, and keeps what it said.
    fn bury(&mut self) {
        if let Some(running) = self.running.take() {
            let records = running.end();
            self.keep(records);
        }
    }

    fn keep(&mut self, records: Vec<Record>) {
        self.records.extend(records);
        let mut held: usize = self
            .records
            .iter()
            .map(|record| record.text.len() + 64)
            .sum();
        while held > self.settings.stderr_bytes {
            let oldest = self.records.pop_front();
            held -= oldest.map_or(held, |record| record.text.len() + 64);
        }
    }

    /// Completes a context, and says when the call's time is up.
    fn prepare(&self, mut context: Context, now: Instant) -> (Context, Option<Instant>) {
        context.attempt = context.attempt.max(1);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default();
        let own = context.deadline_ms.map(|ms| {
            let ms = u64::try_from(ms).unwrap_or(0);
            Duration::from_millis(ms).saturating_sub(since)
        });
        let left = match (own, self.revision.bounds.timeout) {
            (Some(own), Some(most)) if own > most => most,
            (Some(own), _) => return (context, now.checked_add(own)),
            (None, Some(most)) => most,
            (None, None) => return (context, None),
        };
        context.deadline_ms = i64::try_from((since + left).as_millis()).ok();
        (context, now.checked_add(left))
    }
}

impl Call<'_> {
    /// Writes the next part of the input, and waits until the function has room for it.
    pub fn send(&mut self, part: Part) {
        if let Some(running) = &mut self.function.running {
            running.send(self.call, part);
        }
    }

    /// The next part of the output; None after the one with the end.
    #[allow(
        clippy::should_implement_trait,
        reason = "it waits, and calls are not collected"
    )]
    pub fn next(&mut self) -> Option<Part> {
        if self.over {
            return None;
        }
        let part = match &mut self.function.running {
            Some(running) => running.next(self.call),
            None => Part::end(Status::new(Code::Unavailable, "the instance is gone")),
        };
        self.over = part.end.is_some();
        Some(part)
    }

    /// Gives the call up; [`next`](Self::next) still gives what comes until its end.
    pub fn cancel(&mut self, reason: &str) {
        if let Some(running) = &mut self.function.running {
            running.cancel(self.call, reason);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.cancel("the caller went away");
        }
    }
}
