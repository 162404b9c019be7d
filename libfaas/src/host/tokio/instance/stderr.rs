//! stderr of an instance: read to its end, whatever else happens (`log-drain`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::descriptor::Descriptor;
use super::super::function::Tenure;
use super::super::invocation::Invocation;
use super::super::log::{CallIdentity, LogLine, LogSink};
use crate::Context;
use crate::host::numbered::Numbered;
use crate::host::{Log, Record};

/// Bytes asked for in one read.
const READ: usize = 8 << 10;

/// A task for each stage reads it.
pub(super) struct Stderr {
    tasks: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the tasks know, and what they leave behind.
struct Shared {
    sink: Option<LogSink>,
    tenant: Arc<str>,
    function: Arc<str>,
    revision: Arc<str>,
    instance: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The calls that are open, by their number on the stream.
    calls: Numbered<Arc<Invocation>>,
    /// The call of an instance that lives for it alone.
    only: Option<CallIdentity>,
    /// The last line of each stage.
    last: Vec<String>,
}

impl Stderr {
    /// `only` is the context of the invocation that the process lives for, if it does.
    pub(super) fn new(
        stages: Vec<OwnedFd>,
        tenure: &Tenure,
        only: Option<&Context>,
    ) -> io::Result<Self> {
        let core = &tenure.function.core;
        let shared = Arc::new(Shared {
            sink: core.options.logs.clone(),
            tenant: tenure.function.tenant.as_str().into(),
            function: tenure.function.name.as_str().into(),
            revision: tenure.revision.id.as_str().into(),
            instance: tenure.name().into(),
            state: Mutex::new(State {
                calls: Numbered::default(),
                only: only.map(CallIdentity::of),
                last: vec![String::new(); stages.len()],
            }),
        });
        let keep = core.options.settings.stderr_bytes;
        let mut tasks = Vec::new();
        for (stage, stderr) in stages.into_iter().enumerate() {
            let stderr = Descriptor::new(stderr, Interest::READABLE)?;
            let task = drain(stderr, stage, Log::new(keep), Arc::clone(&shared));
            tasks.push(core.runtime.spawn(task));
        }
        Ok(Stderr { tasks, shared })
    }

    /// A call is open from now on: records may name it.
    pub(super) fn opened(&self, call: u64, invocation: &Arc<Invocation>) {
        let invocation = Arc::clone(invocation);
        self.shared.state().calls.insert(call, invocation);
    }

    pub(super) fn closed(&self, call: u64) {
        self.shared.state().calls.remove(&call);
    }

    /// The last line of a stage that has ended.
    pub(super) async fn last_line(&mut self, stage: usize) -> String {
        /// What is in the pipe is there at once; a descendant that was just killed may have to go.
        const SOON: Duration = Duration::from_millis(250);
        if let Some(task) = self.tasks.get_mut(stage)
            && !task.is_finished()
        {
            let _ = timeout(SOON, task).await;
        }
        self.shared
            .state()
            .last
            .get(stage)
            .cloned()
            .unwrap_or_default()
    }

    pub(super) async fn read_to_end(&mut self) {
        for task in &mut self.tasks {
            if !task.is_finished() {
                let _ = task.await;
            }
        }
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn drain(stderr: Descriptor, stage: usize, mut log: Log, shared: Arc<Shared>) {
    let mut buffer = vec![0; READ];
    loop {
        let count = stderr.read(&mut buffer).await.unwrap_or(0);
        let lines: Vec<(Record, Option<CallIdentity>)> = {
            let mut state = shared.state();
            let is_open = |call| state.calls.contains_key(&call);
            match count {
                0 => log.end(is_open),
                _ => log.read(&buffer[..count], is_open),
            }
            log.last_line().clone_into(&mut state.last[stage]);
            let identify = |record: Record| {
                let named = record.call.and_then(|call| state.calls.get(&call));
                let named = named.map(|invocation| CallIdentity::of(&invocation.context()));
                let call = named.or_else(|| state.only.clone());
                (record, call)
            };
            std::iter::from_fn(|| log.record()).map(identify).collect()
        };
        if let Some(sink) = &shared.sink {
            for (record, call) in lines {
                sink.put(LogLine {
                    tenant: Arc::clone(&shared.tenant),
                    function: Arc::clone(&shared.function),
                    revision: Arc::clone(&shared.revision),
                    instance: Arc::clone(&shared.instance),
                    stage,
                    call,
                    record,
                });
            }
        }
        if count == 0 {
            return;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
