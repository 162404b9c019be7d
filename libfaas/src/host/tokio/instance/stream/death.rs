//! The end of an instance, whoever brought it about.

use std::time::{Duration, Instant};

use super::super::super::descriptor::{Rest, Watched};
use super::super::super::invocation::Serving;
use super::super::ending;
use super::Live;
use crate::host::{Death, Exit, Limit};
use crate::{Code, Status};

/// How long the end of one stage may take to reach the end of a pipeline that is not ready.
const UNRAVEL: Duration = Duration::from_secs(1);

impl Live<'_> {
    /// A process has ended. If that is the end of the instance, its calls end.
    pub(super) async fn look_for_death(&mut self) {
        let exits: Vec<Option<Exit>> = self.processes.iter_mut().map(Watched::exit).collect();
        // A stage may go once what it reads has ended: the host closed it, or the stage before went.
        let early = exits.iter().enumerate().position(|(stage, exit)| {
            let input_ended = match stage {
                0 => self.drained,
                _ => exits[stage - 1].is_some(),
            };
            exit.is_some() && !input_ended
        });
        let last = exits.last().copied().flatten();
        if early.is_none() && last.is_none() {
            // The host has closed stdin in the meantime: the first stage may go.
            self.unravelled_by = None;
            return;
        }
        let now = Instant::now();
        if last.is_none() && !self.was_ready && self.unravelled_by.is_none_or(|by| by > now) {
            // A stage whose initialisation failed has said so to the next one, and gone. The last
            // hello speaks for all, so it gets the time to come.
            self.unravelled_by.get_or_insert(now + UNRAVEL);
            return;
        }
        let exit = Exit::of_pipeline(exits.iter().copied().flatten());
        let speaks = exits.iter().position(|&one| one == Some(exit));
        let stage = speaks.or(early).unwrap_or(exits.len() - 1);
        let memory = self.sandbox.memory_exceeded();
        // Whatever else holds the pipes goes, so that they come to an end.
        self.sandbox.kill();
        self.read_rest();
        let mut death = Death::new(exit, self.stderr.last_line(stage).await);
        death.limit = (memory || self.sandbox.memory_exceeded()).then_some(Limit::Memory);
        self.session.ended(death);
        self.heed();
        self.over.get_or_insert_with(Status::ok);
    }

    /// Reads what stdout still holds.
    fn read_rest(&mut self) {
        let mut rest = Rest::of(&self.stdout);
        while let Some(stdout) = &self.stdout
            && rest.is_left()
        {
            match stdout.try_append(self.session.buffer()) {
                Ok(None) => return,
                Ok(Some(count)) => {
                    rest.was_read(count);
                    self.was_read(Ok(count));
                }
                Err(error) => self.was_read(Err(error)),
            }
            self.heed();
        }
    }

    /// Ends what is left: calls, processes, and the sandbox.
    pub(super) async fn end(mut self) {
        let status = self.over.take().unwrap_or_default();
        self.sandbox.kill();
        // The session has ended its calls, unless the ladder did not wait for it.
        let unavailable = || Status::new(Code::Unavailable, "the instance was killed");
        for (_, entry) in std::mem::take(&mut self.calls) {
            self.tenure.finished();
            self.attempt_over(entry.invocation.take(), unavailable());
        }
        let failed = !self.was_ready && !status.is_ok() && !self.unwanted;
        let pending = std::mem::take(&mut self.pending);
        if failed {
            // They were sent to a function that could not begin.
            let opened = self.tenure.port.take().opened.into_iter().map(Serving::new);
            for invocation in pending.into_iter().chain(opened) {
                self.attempt_over(invocation.take(), status.clone());
            }
            self.tenure.leave(Some(status));
        } else {
            self.tenure.leave(None);
            for invocation in pending {
                self.tenure
                    .function
                    .put_back(invocation.take(), unavailable());
            }
        }
        self.stdin = None;
        self.stdout = None;
        ending::await_death(&mut self.processes).await;
        for (invocation, status) in std::mem::take(&mut self.again) {
            self.tenure.function.attempt_over(invocation.take(), status);
        }
        ending::bury(self.sandbox, self.processes, self.stderr).await;
    }
}
