//! Starts instances on threads of its own.
//!
//! Starting takes milliseconds and blocks. It does not happen on threads that come and go: a process
//! may be told to die with the thread that started it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

use crate::host::{Revision, Settings};
use crate::{Code, Context, Event, Status};

use crate::host::{Instance, start};

/// The threads. They end when this is dropped and what was asked for is done.
pub(super) struct Starter {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    revision: Arc<Revision>,
    settings: Settings,
    invocation: Option<(Context, Event)>,
    started: oneshot::Sender<Result<Instance, Status>>,
}

impl Default for Starter {
    fn default() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let threads = thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        for number in 1..=threads {
            let queue = Arc::clone(&queue);
            let name = format!("faas-start-{number}");
            // Without any thread every start is answered with an error below.
            let _ = thread::Builder::new()
                .name(name)
                .spawn(move || work(&queue));
        }
        Starter { jobs }
    }
}

impl Starter {
    /// Starts an instance; in binary and structured mode, for an invocation.
    pub(super) async fn start(
        &self,
        revision: &Arc<Revision>,
        settings: &Settings,
        invocation: Option<(Context, Event)>,
    ) -> Result<Instance, Status> {
        let (started, answer) = oneshot::channel();
        let job = Job {
            revision: Arc::clone(revision),
            settings: settings.clone(),
            invocation,
            started,
        };
        let lost = || {
            Status::new(
                Code::Unavailable,
                "there is no thread to start processes on",
            )
        };
        self.jobs.send(job).map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let invocation = job
            .invocation
            .as_ref()
            .map(|(context, event)| (context, event));
        // Where nobody waits any more, what was started is dropped, which kills it.
        let _ = job
            .started
            .send(start(&job.revision, &job.settings, invocation));
    }
}

/// Whether the programs of a function that is started for each invocation can be executed, as far
/// as can be seen before.
pub(super) fn check_programs(revision: &Revision, settings: &Settings) -> Result<(), Status> {
    let path = revision.manifest.env.get("PATH").unwrap_or(&settings.path);
    for stage in revision.manifest.stages() {
        let program = stage.command.first().map_or("", String::as_str);
        let found = match program.contains('/') {
            true => is_executable(&revision.folder.join(program)),
            false => path.split(':').any(|folder| {
                let folder = revision.folder.join(folder);
                is_executable(&folder.join(program))
            }),
        };
        if !found {
            let place = match program.contains('/') {
                true => format!("in {}", revision.folder.display()),
                false => format!("in the PATH {path}"),
            };
            let message = format!(
                "{}: expected an executable program {program:?} {place}; install it or correct `command`",
                revision.manifest.name
            );
            return Err(Status::new(Code::FailedPrecondition, message));
        }
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
