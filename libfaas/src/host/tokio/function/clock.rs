//! What a function's pools want done in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Function;

/// Does what is due in time, until the function is gone.
pub(super) async fn keep_time(function: Arc<Function>) {
    /// To look although nothing is due costs little.
    const AT_MOST: Duration = Duration::from_secs(600);
    loop {
        let (due, less) = (function.due.notified(), function.less.notified());
        let next = {
            let inner = function.inner();
            if inner.is_gone() {
                return;
            }
            let now = Instant::now();
            let is_due = inner.next_due().is_some_and(|due| due <= now);
            drop(inner);
            if is_due {
                function.tick(now);
            }
            let mut inner = function.inner();
            let next = inner.next_due().unwrap_or(now + AT_MOST).min(now + AT_MOST);
            inner.scheduled = Some(next);
            next
        };
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = due => {}
            () = less => {}
        }
    }
}
