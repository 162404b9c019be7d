//! What remains to be done when an instance is over.

use std::time::Duration;

use tokio::time::timeout;

use super::super::descriptor::{Watched, next_end};
use super::stderr::Stderr;
use crate::host::Sandbox;

/// What a killed process may take to be gone, and its pipes to be empty.
const SOON: Duration = Duration::from_secs(5);

/// Waits until processes that were killed are dead.
pub(super) async fn await_death(processes: &mut [Watched]) {
    let dead = async {
        while processes.iter_mut().any(|process| process.exit().is_none()) {
            next_end(processes).await;
        }
    };
    // One that hangs in the kernel can't be waited for; the sandbox goes on trying.
    let _ = timeout(SOON, dead).await;
}

/// Waits until everything that was killed is gone and its log has been read, and removes what the
/// instance left (`death-session`).
pub(super) async fn bury(sandbox: Sandbox, mut processes: Vec<Watched>, mut stderr: Stderr) {
    await_death(&mut processes).await;
    let _ = timeout(SOON, stderr.read_to_end()).await;
    // It waits for processes and removes files.
    let _ = tokio::task::spawn_blocking(move || {
        drop(processes);
        sandbox.destroy();
    })
    .await;
}
