//! Which instance of a revision serves which call, and when instances are started and ended.
//!
//! No I/O and no clock: what happens is told to the pool, and what is to be done comes out as
//! [`Action`]s. A pool belongs to one revision of one function of one tenant, so that no instance
//! can serve two tenants (`isolation-one-tenant`).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::settings::later;
use crate::{Code, Status};

/// How many instances a function has, and how many of its calls wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Instances that are kept although there is no work. Default 0.
    pub min: usize,
    /// Instances that take calls at the same time, at least 1; one that is being drained is not
    /// counted. Default 16.
    pub max: usize,
    /// How long an instance beyond `min` may stand idle. Default 1 min.
    pub idle: Duration,
    /// Calls that wait for an instance. One more is refused. Default 1024.
    pub queue: usize,
    /// What a refused caller is told to wait (`retry-after-ms`). Default 1 s.
    pub retry_after: Duration,
    /// How long a failed initialisation keeps the next attempt waiting; doubled by each further
    /// failure up to a minute. Default 200 ms.
    pub backoff: Duration,
}

impl Default for Scale {
    fn default() -> Self {
        Scale {
            min: 0,
            max: 16,
            idle: Duration::from_secs(60),
            queue: 1024,
            retry_after: Duration::from_secs(1),
            backoff: Duration::from_millis(200),
        }
    }
}

/// The longest wait before another start is tried.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// A function's state, as spec/manifest.md has it ("States and revisions").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its first instance is being started; calls wait.
    Initializing,
    /// Calls are served.
    Ready,
    /// Its initialisation ended with this status, and calls end with it.
    Failed(Status),
    /// It was removed; what it still does are calls that came before.
    Removed,
}

/// The instances of a revision and the calls that wait for one.
#[derive(Debug)]
pub(crate) struct Pool {
    scale: Scale,
    /// Calls that an instance takes at once.
    concurrency: usize,
    /// An instance serves more than one call.
    reused: bool,
    instances: BTreeMap<u64, Instance>,
    last_instance: u64,
    waiting: VecDeque<Waiting>,
    phase: Phase,
    /// How the last start failed, unless one has succeeded since.
    failure: Option<Failure>,
    /// An instance has been ready at some time.
    proven: bool,
    /// When instances may be started again that no call asks for.
    rest_until: Option<Instant>,
    actions: VecDeque<Action>,
}

/// What the driver has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start an instance, to be known by this number.
    Start(u64),
    /// Give a call to an instance, which may still be starting.
    Assign { call: u64, instance: u64 },
    /// End a call that was not given to any instance.
    Reject { call: u64, status: Status },
    /// Close an instance's stdin, and so on down the ladder.
    Drain(u64),
}

#[derive(Debug)]
struct Instance {
    state: InstanceState,
    open: usize,
    served: bool,
    idle_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InstanceState {
    Starting,
    Ready,
    /// Takes no further calls.
    Leaving,
}

#[derive(Debug)]
struct Waiting {
    call: u64,
    until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// A newer revision has taken over: each instance is drained when its calls are over.
    Superseded,
    /// The calls that wait are served, then everything is drained.
    Closing,
}

#[derive(Debug)]
struct Failure {
    status: Status,
    count: u32,
    retry_at: Instant,
}

impl Pool {
    /// A pool without instances. `reused` says that an instance serves calls until it is drained,
    /// and not just one.
    pub(crate) fn new(scale: Scale, concurrency: usize, reused: bool) -> Self {
        Pool {
            scale: Scale {
                max: scale.max.max(scale.min).max(1),
                ..scale
            },
            concurrency: concurrency.max(1),
            reused,
            instances: BTreeMap::new(),
            last_instance: 0,
            waiting: VecDeque::new(),
            phase: Phase::Serving,
            failure: None,
            proven: !reused,
            rest_until: None,
            actions: VecDeque::new(),
        }
    }

    /// Starts the first instance without waiting for a call: that of a new revision, to learn
    /// whether it works.
    pub(crate) fn prove(&mut self, now: Instant) {
        if self.reused && self.live() == 0 {
            self.start(now);
        }
    }

    /// Takes a call that must have been given to an instance `until` then.
    ///
    /// # Errors
    ///
    /// The call is not taken: initialisation has failed just now, or too many calls wait.
    pub(crate) fn submit(
        &mut self,
        call: u64,
        until: Option<Instant>,
        now: Instant,
    ) -> Result<(), Status> {
        if let Some(status) = self.failed(now) {
            return Err(status.clone());
        }
        if self.waiting.len() >= self.scale.queue && self.choose(now).is_none() {
            let message = format!("{} calls wait for an instance already", self.waiting.len());
            let millis = self.scale.retry_after.as_millis();
            let status = Status::new(Code::ResourceExhausted, message);
            return Err(status.detail("retry-after-ms", millis.to_string()));
        }
        self.resubmit(call, until, now);
        Ok(())
    }

    /// Takes a call that was accepted before: a further attempt at it, or one that an instance gave
    /// back. It is taken even where too many wait.
    pub(crate) fn resubmit(&mut self, call: u64, until: Option<Instant>, now: Instant) {
        self.waiting.push_back(Waiting { call, until });
        self.pump(now);
        if let Some(status) = self.failed(now).cloned() {
            self.reject_all(&status);
        }
    }

    /// Takes back a call that nobody wants any more: whether it was still waiting.
    pub(crate) fn withdraw(&mut self, call: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.call != call);
        self.drain_if_done();
        self.waiting.len() < before
    }

    /// An instance has written a hello with the status OK.
    pub(crate) fn ready(&mut self, instance: u64, now: Instant) {
        self.proven = true;
        self.failure = None;
        if let Some(found) = self.instances.get_mut(&instance) {
            if found.state == InstanceState::Starting {
                found.state = InstanceState::Ready;
            }
            found.idle_since = now;
        }
        self.pump(now);
        self.drain_if_done();
    }

    /// An instance has ended before it was ready, or could not be started. Its calls are over.
    pub(crate) fn failed_to_start(&mut self, instance: u64, status: Status, now: Instant) {
        self.instances.remove(&instance);
        let count = self.failure.as_ref().map_or(0, |failure| failure.count) + 1;
        let factor = 1 << (count - 1).min(16);
        let wait = self
            .scale
            .backoff
            .saturating_mul(factor)
            .min(LONGEST_BACKOFF);
        self.failure = Some(Failure {
            status: status.clone(),
            count,
            retry_at: later(now, wait),
        });
        self.pump(now);
        if self.live() == 0 {
            self.reject_all(&status);
        }
        self.drain_if_done();
    }

    /// One call of an instance is over.
    pub(crate) fn finished(&mut self, instance: u64, now: Instant) {
        if let Some(found) = self.instances.get_mut(&instance) {
            found.open = found.open.saturating_sub(1);
            found.served = true;
            found.idle_since = now;
            if !self.reused {
                found.state = InstanceState::Leaving;
            } else if self.phase == Phase::Superseded && found.open == 0 {
                self.drain(instance);
            }
        }
        self.pump(now);
        self.drain_if_done();
    }

    /// An instance takes no further calls. Those that it has been given go on.
    pub(crate) fn retired(&mut self, instance: u64, now: Instant) {
        if let Some(found) = self.instances.get_mut(&instance) {
            found.state = InstanceState::Leaving;
        }
        self.pump(now);
    }

    /// An instance that was ready once has ended. Its calls are over.
    pub(crate) fn gone(&mut self, instance: u64, now: Instant) {
        if let Some(gone) = self.instances.remove(&instance)
            && self.reused
            && !gone.served
            && gone.state == InstanceState::Ready
        {
            // It died idle and never did any work: no reason to start the next idle one in haste.
            self.rest_until = Some(later(now, self.scale.backoff));
        }
        self.pump(now);
        self.drain_if_done();
    }

    /// A newer revision has taken over. The calls that wait are the newer one's now.
    pub(crate) fn supersede(&mut self) -> Vec<(u64, Option<Instant>)> {
        self.phase = Phase::Superseded;
        let idle = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.open == 0);
        for instance in idle.map(|(&number, _)| number).collect::<Vec<_>>() {
            self.drain(instance);
        }
        let waiting = self.waiting.drain(..);
        waiting
            .map(|waiting| (waiting.call, waiting.until))
            .collect()
    }

    /// No further calls come. Those that wait are served; then every instance is drained.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closing;
        self.drain_if_done();
    }

    /// Ends every call that waits.
    pub(crate) fn reject_all(&mut self, status: &Status) {
        for Waiting { call, .. } in std::mem::take(&mut self.waiting) {
            let status = status.clone();
            self.actions.push_back(Action::Reject { call, status });
        }
        self.drain_if_done();
    }

    /// Does what is due: ends calls that have waited too long, drains what is idle, starts what is
    /// missing.
    pub(crate) fn tick(&mut self, now: Instant) {
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.until.is_some_and(|until| until <= now));
        self.waiting = waiting;
        for Waiting { call, .. } in late {
            let status = Status::new(Code::DeadlineExceeded, "no instance was free in time");
            self.actions.push_back(Action::Reject { call, status });
        }
        while self.phase == Phase::Serving && self.live() > self.scale.min {
            let due = |instance: &Instance| {
                let until = instance.idle_until(&self.scale);
                instance.is_idle() && until.is_some_and(|until| until <= now)
            };
            let found = self.instances.iter().find(|(_, instance)| due(instance));
            let Some((&instance, _)) = found else { break };
            self.drain(instance);
        }
        self.pump(now);
        self.drain_if_done();
    }

    /// When [`tick`](Self::tick) is next due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().filter_map(|waiting| waiting.until);
        let spare = self.phase == Phase::Serving && self.live() > self.scale.min;
        let instances = spare.then(|| self.instances.values()).into_iter().flatten();
        let idle = instances.filter(|instance| instance.is_idle());
        let idle = idle.filter_map(|instance| instance.idle_until(&self.scale));
        let retry = self.failure.as_ref().map(|failure| failure.retry_at);
        let called = !self.waiting.is_empty() && self.live() < self.scale.max;
        let called = retry.filter(|_| called);
        // One that no call asks for waits for both.
        let kept = retry.max(self.rest_until);
        let kept = kept.filter(|_| self.lacks_instances());
        waiting.chain(idle).chain(called).chain(kept).min()
    }

    /// The next thing to do.
    pub(crate) fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The state of the revision.
    pub(crate) fn state(&self) -> State {
        let has = |state| {
            self.instances
                .values()
                .any(|instance| instance.state == state)
        };
        match &self.failure {
            _ if self.phase == Phase::Closing => State::Removed,
            _ if has(InstanceState::Ready) => State::Ready,
            Some(failure) if !has(InstanceState::Starting) => State::Failed(failure.status.clone()),
            None if self.proven => State::Ready,
            _ => State::Initializing,
        }
    }

    /// Instances, those that are being drained too.
    #[cfg(test)]
    pub(crate) fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Calls that instances have.
    pub(crate) fn open(&self) -> usize {
        self.instances.values().map(|instance| instance.open).sum()
    }

    /// Calls that wait for an instance.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.waiting.is_empty()
    }

    /// Gives calls that wait to instances, as long as there is room or an instance may be started,
    /// and starts what is missing.
    fn pump(&mut self, now: Instant) {
        while !self.waiting.is_empty()
            && let Some(choice) = self.choose(now)
            && let Some(waiting) = self.waiting.pop_front()
        {
            let instance = match choice {
                Choice::There(instance) => instance,
                Choice::New => self.start(now),
            };
            if let Some(found) = self.instances.get_mut(&instance) {
                found.open += 1;
            }
            let call = waiting.call;
            self.actions.push_back(Action::Assign { call, instance });
        }
        if self.rest_until.is_none_or(|until| until <= now) {
            self.rest_until = None;
            while self.lacks_instances() && self.may_start(now) {
                self.start(now);
            }
        }
    }

    /// Where the next call goes: to the fullest instance that has room, so that the others become
    /// idle and end; rather to one that is ready than to one that starts, and rather to one that
    /// starts than to another new one.
    fn choose(&self, now: Instant) -> Option<Choice> {
        let room = self.instances.iter().filter(|(_, instance)| {
            instance.state != InstanceState::Leaving
                && instance.open < self.concurrency
                && self.reused
        });
        let best = room.max_by_key(|(number, instance)| {
            let ready = instance.state == InstanceState::Ready;
            (ready, instance.open, std::cmp::Reverse(**number))
        });
        let new = self.live() < self.scale.max && self.may_start(now);
        match best {
            Some((&number, _)) => Some(Choice::There(number)),
            None => new.then_some(Choice::New),
        }
    }

    fn start(&mut self, now: Instant) -> u64 {
        self.last_instance += 1;
        let state = if self.reused {
            InstanceState::Starting
        } else {
            InstanceState::Ready
        };
        let (open, served, idle_since) = (0, false, now);
        self.instances.insert(
            self.last_instance,
            Instance {
                state,
                open,
                served,
                idle_since,
            },
        );
        self.actions.push_back(Action::Start(self.last_instance));
        self.last_instance
    }

    /// The status that calls get instead of an instance, while a failed start may not be repeated.
    fn failed(&self, now: Instant) -> Option<&Status> {
        let failure = self.failure.as_ref()?;
        (self.live() == 0 && !self.may_start(now)).then_some(&failure.status)
    }

    fn lacks_instances(&self) -> bool {
        self.phase == Phase::Serving && self.reused && self.live() < self.scale.min
    }

    fn may_start(&self, now: Instant) -> bool {
        self.failure
            .as_ref()
            .is_none_or(|failure| failure.retry_at <= now)
    }

    /// Instances that may take calls, or will.
    fn live(&self) -> usize {
        let live = |instance: &&Instance| instance.state != InstanceState::Leaving;
        self.instances.values().filter(live).count()
    }

    fn drain(&mut self, instance: u64) {
        if let Some(found) = self.instances.get_mut(&instance)
            && found.state != InstanceState::Leaving
        {
            found.state = InstanceState::Leaving;
            self.actions.push_back(Action::Drain(instance));
        }
    }

    fn drain_if_done(&mut self) {
        if self.phase == Phase::Closing && self.waiting.is_empty() {
            for instance in self.instances.keys().copied().collect::<Vec<_>>() {
                self.drain(instance);
            }
        }
    }
}

enum Choice {
    There(u64),
    New,
}

impl Instance {
    fn is_idle(&self) -> bool {
        self.state == InstanceState::Ready && self.open == 0
    }

    fn idle_until(&self, scale: &Scale) -> Option<Instant> {
        self.idle_since.checked_add(scale.idle)
    }
}
