//! An instance as its function sees it.

use std::sync::Arc;
use std::time::Instant;

use super::super::port::Port;
use super::Function;
use crate::host::Revision;
use crate::{Code, Status};

/// A task of an instance: its function counts it until this is dropped.
pub(in super::super) struct Tenure {
    pub(in super::super) function: Arc<Function>,
    pub(super) deployment: u64,
    pub(super) instance: u64,
    pub(in super::super) port: Arc<Port>,
    pub(in super::super) revision: Arc<Revision>,
    /// The pool knows nothing of it any more.
    pub(super) left: bool,
}

impl Tenure {
    /// A name for its log: the revision and a number.
    pub(in super::super) fn name(&self) -> String {
        format!("{}.{}", self.revision.id, self.instance)
    }

    /// The instance has written its hello.
    pub(in super::super) fn ready(&self) {
        let mut inner = self.function.inner();
        let now = Instant::now();
        if let Some(deployment) = inner.deployments.get_mut(&self.deployment) {
            deployment.pool.ready(self.instance, now);
        }
        self.function
            .proven(&mut inner, self.deployment, Ok(()), now);
        self.function.settle(inner);
    }

    /// A call of the instance is over, for the pool.
    pub(in super::super) fn finished(&self) {
        self.function.tell(self.deployment, |pool, now| {
            pool.finished(self.instance, now)
        });
    }

    /// So many calls of the instance have ended well, for the pool and for the function: nobody will
    /// [try them again](Function::attempt_over).
    pub(in super::super) fn ended_well(&self, count: usize) {
        let mut inner = self.function.inner();
        if let Some(deployment) = inner.deployments.get_mut(&self.deployment) {
            let now = Instant::now();
            (0..count).for_each(|_| deployment.pool.finished(self.instance, now));
        }
        self.function.count_ends(&mut inner, Code::Ok, count);
        self.function.settle(inner);
    }

    /// The instance takes no further calls.
    pub(in super::super) fn retired(&self) {
        self.function.tell(self.deployment, |pool, now| {
            pool.retired(self.instance, now)
        });
    }

    /// The instance has ended, or could not be started: the status of an initialisation that
    /// failed. Its calls are over; those that it was given and has not looked at go back.
    pub(in super::super) fn leave(&mut self, failed: Option<Status>) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let mut inner = self.function.inner();
        let now = Instant::now();
        if let Some(deployment) = inner.deployments.get_mut(&self.deployment) {
            deployment.ports.remove(&self.instance);
            match &failed {
                Some(status) => deployment
                    .pool
                    .failed_to_start(self.instance, status.clone(), now),
                None => deployment.pool.gone(self.instance, now),
            }
        }
        // Nobody waits for ever for how a revision begins, whatever became of its first instance.
        let unborn = || Status::new(Code::Unavailable, "the instance ended before it was ready");
        let outcome = Err(failed.unwrap_or_else(unborn));
        self.function
            .proven(&mut inner, self.deployment, outcome, now);
        self.function.settle(inner);
        let unavailable = || Status::new(Code::Unavailable, "the instance ended");
        for invocation in self.port.take().opened {
            self.function.put_back(invocation, unavailable());
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        // Only a task that was dropped, with its runtime, or has panicked has not left by itself. As
        // a failure, so that no other one is started at once.
        let status = Status::new(Code::Unavailable, "the instance's task was dropped");
        self.leave(Some(status));
        self.function.inner().running -= 1;
        self.function.less.notify_waiters();
    }
}
