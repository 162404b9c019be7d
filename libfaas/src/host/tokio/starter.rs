//! Starts instances away from the runtime's threads.
//!
//! Starting takes milliseconds and blocks. It does not happen on threads that come and go: a process
//! may be told to die with the thread that started it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::handle::Core;
use crate::host::{Instance, Revision, Sandbox, Settings, start};
use crate::{Code, Context, Event, Status};

/// Starts an instance; in binary and structured mode, for an invocation.
pub(super) async fn start_instance(
    core: &Arc<Core>,
    revision: &Arc<Revision>,
    invocation: Option<(Context, Event)>,
) -> Result<Instance, Status> {
    let (started, answer) = oneshot::channel();
    let (core, revision) = (Arc::clone(core), Arc::clone(revision));
    let job = move || {
        let invocation = invocation.as_ref().map(|(context, event)| (context, event));
        let instance = start(&revision, &core.options.settings, invocation);
        // Whoever is told may be the last to need it.
        drop((core, revision));
        // Where nobody waits any more, what was started is dropped, which kills it.
        let _ = started.send(instance);
    };
    let lost = || {
        Status::new(
            Code::Unavailable,
            "there is no thread to start processes on",
        )
    };
    Sandbox::post(job).map_err(|_| lost())?;
    answer.await.map_err(|_| lost())?
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
