//! An instance as a task.

mod ending;
mod oneshot;
mod stderr;
mod stream;

use crate::Mode;

use super::function::Tenure;

/// Runs an instance from its start to its end.
pub(super) async fn run(tenure: Tenure) {
    match tenure.revision.mode {
        Mode::Stream => stream::run(tenure).await,
        Mode::Binary | Mode::Structured => oneshot::run(tenure).await,
    }
}
