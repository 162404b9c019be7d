//! A function of a tenant: its revisions, and the calls that they serve.

mod clock;
mod tenure;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};

pub(super) use tenure::Tenure;

use super::call::Call;
use super::handle::{Core, FunctionState};
use super::instance;
use super::invocation::{After, Invocation, instant_of, patience};
use super::port::Port;
use crate::host::numbered::Numbered;
use crate::host::pool::{Action, Pool};
use crate::host::{Revision, State};
use crate::{Code, Context, Mode, Status};

/// A function, known by its tenant and its name (`manifest-name-scope`).
pub(super) struct Function {
    pub(super) core: Arc<Core>,
    pub(super) tenant: String,
    pub(super) name: String,
    inner: Mutex<Inner>,
    /// For the task that keeps the time: something is due earlier than it was.
    due: Notify,
    /// For who waits for the function to be gone.
    less: Notify,
}

#[derive(Default)]
struct Inner {
    /// Revisions that have instances or may get some, by age.
    deployments: BTreeMap<u64, Deployment>,
    /// The one that gets new calls.
    current: Option<u64>,
    last_deployment: u64,
    /// Calls that pools hold.
    waiting: Numbered<Arc<Invocation>>,
    removed: bool,
    /// Calls that were accepted and have not ended.
    accepted: usize,
    /// Tasks of instances.
    running: usize,
    /// When the task that keeps the time will look again.
    scheduled: Option<Instant>,
    counters: Counters,
}

/// What has happened since the function was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls that have ended, by their code.
    pub ended: BTreeMap<Code, u64>,
    /// Calls that were not accepted, because too many waited or because initialisation had failed.
    pub refused: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Instances that were started.
    pub starts: u64,
}

struct Deployment {
    revision: Arc<Revision>,
    pool: Pool,
    ports: Numbered<Arc<Port>>,
    /// How the initialisation of its first instance ended.
    outcome: watch::Sender<Option<Result<(), Status>>>,
}

impl Function {
    pub(super) fn new(core: &Arc<Core>, tenant: &str, name: &str) -> Arc<Self> {
        let function = Arc::new(Function {
            core: Arc::clone(core),
            tenant: tenant.to_owned(),
            name: name.to_owned(),
            inner: Mutex::default(),
            due: Notify::new(),
            less: Notify::new(),
        });
        core.runtime.spawn(clock::keep_time(Arc::clone(&function)));
        function
    }

    /// Makes a revision known. It gets calls at once where there is none that could serve them, else
    /// once it is ready (`revision-takes-over`, `revision-failed-keeps-old`). Says how its
    /// initialisation ends.
    pub(super) fn deploy(
        self: &Arc<Self>,
        revision: Revision,
    ) -> Result<watch::Receiver<Option<Result<(), Status>>>, Status> {
        let now = Instant::now();
        let reused = revision.mode == Mode::Stream;
        let executable = match reused {
            // Whoever starts the first instance will see.
            true => Ok(()),
            false => super::starter::check_programs(&revision, &self.core.options.settings),
        };
        let (outcome, receiver) = watch::channel(None);
        let mut inner = self.inner();
        if inner.removed {
            return Err(Status::new(Code::Aborted, "the function is being removed"));
        }
        let mut pool = Pool::new(self.core.options.scale, revision.concurrency, reused);
        match executable {
            Ok(()) => pool.prove(now),
            Err(status) => pool.failed_to_start(0, status, now),
        }
        inner.last_deployment += 1;
        let number = inner.last_deployment;
        let known = match pool.state() {
            State::Ready => Some(Ok(())),
            State::Failed(status) => Some(Err(status)),
            _ => None,
        };
        inner.deployments.insert(
            number,
            Deployment {
                revision: Arc::new(revision),
                pool,
                ports: Numbered::default(),
                outcome,
            },
        );
        let serving = inner.current().is_some_and(|current| {
            !matches!(current.pool.state(), State::Failed(_) | State::Removed)
        });
        if !serving {
            self.take_over(&mut inner, number, now);
        }
        if let Some(known) = known {
            self.proven(&mut inner, number, known, now);
        }
        self.settle(inner);
        Ok(receiver)
    }

    /// Takes a call.
    pub(super) fn accept(self: &Arc<Self>, ticket: u64, context: Context) -> Result<Call, Status> {
        let now = Instant::now();
        if let Err(fault) = context.validate() {
            return Err(Status::new(Code::InvalidArgument, fault.to_string()));
        }
        let deadline = context.deadline_ms.map(|millis| instant_of(millis, now));
        if deadline.is_some_and(|deadline| deadline.is_some_and(|deadline| deadline <= now)) {
            let message = "the deadline had passed before the call came";
            return Err(Status::new(Code::DeadlineExceeded, message));
        }
        let mut inner = self.inner();
        if inner.removed {
            return Err(not_found(&self.tenant, &self.name));
        }
        let Some(current) = inner.current_mut() else {
            return Err(not_found(&self.tenant, &self.name));
        };
        let timeout = current.revision.bounds.timeout;
        let deadline = deadline.flatten();
        let patience = patience(deadline, timeout, now);
        if let Err(status) = current.pool.submit(ticket, patience, now) {
            inner.counters.refused += 1;
            self.settle(inner);
            return Err(status);
        }
        let function = Arc::clone(self);
        let invocation = Arc::new(Invocation::new(ticket, function, context, deadline));
        inner.accepted += 1;
        inner.waiting.insert(ticket, Arc::clone(&invocation));
        self.settle(inner);
        Ok(Call::new(invocation, self.core.options.retry))
    }

    /// Takes back a call that its caller has given up before an instance had it.
    pub(super) fn withdraw(self: &Arc<Self>, invocation: &Invocation) {
        let mut inner = self.inner();
        let ticket = invocation.ticket;
        let withdrawn = inner
            .deployments
            .values_mut()
            .any(|one| one.pool.withdraw(ticket));
        // Else an instance has got it in the meantime, and will see.
        if withdrawn {
            inner.waiting.remove(&ticket);
            // It may have been what a function that was removed still had to serve.
            self.settle(inner);
            invocation.finish(
                invocation
                    .given_up()
                    .unwrap_or_else(|| Code::Cancelled.into()),
            );
        }
    }

    /// An attempt has ended: ends its invocation, or has it tried again.
    pub(super) fn attempt_over(self: &Arc<Self>, invocation: Arc<Invocation>, status: Status) {
        let last = status.clone();
        match invocation.attempt_ended(status, &self.core.options.retry, Instant::now()) {
            After::Over(status) => invocation.finish(status),
            After::Again(pause) => {
                self.inner().counters.retries += 1;
                let function = Arc::clone(self);
                self.core.runtime.spawn(async move {
                    tokio::time::sleep(pause).await;
                    function.put_back(invocation, last);
                });
            }
        }
    }

    /// Gives a call that was accepted before to the newest revision. Where there is none any more it
    /// ends with `last`.
    pub(super) fn put_back(self: &Arc<Self>, invocation: Arc<Invocation>, last: Status) {
        if !invocation.requeue() {
            return;
        }
        if let Some(status) = invocation.given_up() {
            return invocation.finish(status);
        }
        let now = Instant::now();
        let mut inner = self.inner();
        let Some(current) = inner.current_mut() else {
            drop(inner);
            return invocation.finish(last);
        };
        let patience = invocation.patience(current.revision.bounds.timeout, now);
        let ticket = invocation.ticket;
        current.pool.resubmit(ticket, patience, now);
        inner.waiting.insert(ticket, Arc::clone(&invocation));
        self.settle(inner);
        // A cancel between the look and the queue found nothing to withdraw.
        if invocation.given_up().is_some() {
            self.withdraw(&invocation);
        }
    }

    /// A call has ended for its caller.
    pub(super) fn call_over(&self, code: Code) {
        self.count_ends(&mut self.inner(), code, 1);
    }

    fn count_ends(&self, inner: &mut Inner, code: Code, count: usize) {
        inner.accepted -= count;
        *inner.counters.ended.entry(code).or_default() += count as u64;
        // Nobody waits for it before.
        if inner.removed {
            self.less.notify_waiters();
        }
    }

    /// No further calls; those that were accepted are served, then every instance is drained.
    pub(super) fn remove(self: &Arc<Self>) {
        let mut inner = self.inner();
        inner.removed = true;
        let current = inner.current;
        for (number, deployment) in &mut inner.deployments {
            deployment.pool.close();
            let gone = Err(Status::new(Code::Aborted, "the function was removed"));
            if Some(*number) != current || deployment.outcome.borrow().is_none() {
                deployment.outcome.send_replace(Some(gone));
            }
        }
        self.settle(inner);
        self.less.notify_waiters();
    }

    /// Whether it was removed, and has neither calls nor instances.
    pub(super) fn is_gone(&self) -> bool {
        self.inner().is_gone()
    }

    /// Waits until a function that was removed has neither calls nor instances.
    pub(super) async fn gone(&self) {
        loop {
            let less = self.less.notified();
            if self.is_gone() {
                return;
            }
            less.await;
        }
    }

    /// What there is to see of it.
    pub(super) fn look(&self) -> Option<FunctionState> {
        let inner = self.inner();
        let current = inner.current()?;
        let state = match inner.removed {
            true => State::Removed,
            false => current.pool.state(),
        };
        Some(FunctionState {
            tenant: self.tenant.clone(),
            name: self.name.clone(),
            revision: Arc::clone(&current.revision),
            state,
            instances: inner.running,
            open: inner.deployments.values().map(|one| one.pool.open()).sum(),
            queued: inner.waiting.len(),
            counters: inner.counters.clone(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New calls go to this revision from now on, and those that wait for an earlier one.
    fn take_over(&self, inner: &mut Inner, number: u64, now: Instant) {
        let former = inner.current.replace(number);
        let former = former.and_then(|former| inner.deployments.get_mut(&former));
        let waiting = former
            .map(|former| former.pool.supersede())
            .unwrap_or_default();
        if let Some(current) = inner.deployments.get_mut(&number) {
            for (ticket, until) in waiting {
                current.pool.resubmit(ticket, until, now);
            }
        }
    }

    /// The first instance of a revision is ready, or has failed.
    fn proven(&self, inner: &mut Inner, number: u64, outcome: Result<(), Status>, now: Instant) {
        let Some(deployment) = inner.deployments.get_mut(&number) else {
            return;
        };
        if deployment.outcome.borrow().is_some() {
            return;
        }
        deployment.outcome.send_replace(Some(outcome.clone()));
        if inner.removed || inner.current == Some(number) {
            return;
        }
        match outcome {
            Ok(()) if inner.current < Some(number) => self.take_over(inner, number, now),
            // One that came later has taken over already.
            Ok(()) => drop(deployment.pool.supersede()),
            Err(_) => deployment.pool.close(),
        }
    }

    /// Does what the pools want done. Takes the lock along: a task is dropped at once where the
    /// runtime has ended, and that and the end of a call take it too.
    fn settle(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        // Neither allocates before there is one.
        let (mut started, mut rejected) = (Vec::new(), Vec::new());
        while let Some((number, deployment, action)) = inner.next_action() {
            match action {
                Action::Start(instance) => {
                    let port = Arc::<Port>::default();
                    deployment.ports.insert(instance, Arc::clone(&port));
                    let revision = Arc::clone(&deployment.revision);
                    inner.running += 1;
                    inner.counters.starts += 1;
                    started.push(Tenure {
                        function: Arc::clone(self),
                        deployment: number,
                        instance,
                        port,
                        revision,
                        left: false,
                    });
                }
                Action::Assign { call, instance } => {
                    let port = deployment.ports.get(&instance).cloned();
                    if let (Some(port), Some(call)) = (port, inner.waiting.remove(&call)) {
                        port.open(call);
                    }
                }
                Action::Reject { call, status } => {
                    let call = inner.waiting.remove(&call);
                    rejected.extend(call.map(|call| (call, status)));
                }
                Action::Drain(instance) => {
                    if let Some(port) = deployment.ports.get(&instance) {
                        port.drain();
                    }
                }
            }
        }
        let current = inner.current;
        if inner.deployments.len() > 1 || current.is_none() {
            inner
                .deployments
                .retain(|&number, deployment| Some(number) == current || !deployment.is_done());
        }
        let next = inner.next_due();
        if next.is_some_and(|next| inner.scheduled.is_none_or(|scheduled| next < scheduled)) {
            self.due.notify_one();
        }
        drop(inner);
        for tenure in started {
            self.core.runtime.spawn(instance::run(tenure));
        }
        for (call, status) in rejected {
            call.finish(status);
        }
    }

    /// Tells all pools what time it is.
    fn tick(self: &Arc<Self>, now: Instant) {
        let mut inner = self.inner();
        let pools = inner.deployments.values_mut().map(|one| &mut one.pool);
        pools.for_each(|pool| pool.tick(now));
        self.settle(inner);
    }

    /// Tells a pool what happened.
    fn tell(self: &Arc<Self>, deployment: u64, tell: impl FnOnce(&mut Pool, Instant)) {
        let mut inner = self.inner();
        if let Some(deployment) = inner.deployments.get_mut(&deployment) {
            tell(&mut deployment.pool, Instant::now());
        }
        self.settle(inner);
    }
}

impl Inner {
    fn current(&self) -> Option<&Deployment> {
        self.deployments.get(&self.current?)
    }

    /// Nothing comes of it any more.
    fn is_gone(&self) -> bool {
        self.removed && self.accepted == 0 && self.running == 0
    }

    fn next_due(&self) -> Option<Instant> {
        self.deployments
            .values()
            .filter_map(|one| one.pool.deadline())
            .min()
    }

    fn next_action(&mut self) -> Option<(u64, &mut Deployment, Action)> {
        let mut all = self.deployments.iter_mut();
        let (number, action) = all.find_map(|(&number, one)| Some((number, one.pool.action()?)))?;
        Some((number, self.deployments.get_mut(&number)?, action))
    }

    fn current_mut(&mut self) -> Option<&mut Deployment> {
        self.deployments.get_mut(&self.current?)
    }
}

impl Deployment {
    /// Nothing of it is left, and its outcome is known.
    fn is_done(&self) -> bool {
        self.pool.is_empty() && self.outcome.borrow().is_some()
    }
}

pub(super) fn not_found(tenant: &str, name: &str) -> Status {
    let message = format!("the tenant {tenant} has no function {name}");
    Status::new(Code::NotFound, message)
}
