//! Handlers that are futures.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Notify;

use super::call::Call;
use super::result::ResultEvent;
use crate::{Context, Event, Status};

/// Tells a future that its call was given up.
pub(super) struct Stop {
    changed: Arc<Notify>,
    look: Box<dyn Fn() -> Option<Status> + Send>,
}

impl Stop {
    pub(super) fn new(
        changed: Arc<Notify>,
        look: impl Fn() -> Option<Status> + Send + 'static,
    ) -> Self {
        Stop {
            changed,
            look: Box::new(look),
        }
    }

    pub(super) async fn stopped(&self) -> Status {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Listening begins before looking, so that no change is missed.
            changed.as_mut().enable();
            match (self.look)() {
                Some(status) => return status,
                None => changed.await,
            }
        }
    }
}

/// What is there to wait for after a look that found nothing: it notices all that happens from now
/// on.
pub(super) fn changed(stop: Option<&Stop>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match stop {
        Some(stop) => Box::pin(Arc::clone(&stop.changed).notified_owned()),
        None => Box::pin(std::future::ready(())),
    }
}

/// A handler of whole calls that gives one result for each event: by a future, which is dropped
/// when the call is given up. The futures run on a tokio runtime of their own.
///
/// # Errors
///
/// The runtime's threads can't be started.
pub fn each_async<F, R>(
    handler: impl Fn(Event, Context) -> F + Send + Sync + 'static,
) -> io::Result<impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static>
where
    F: Future<Output = Result<R, Status>>,
    R: Into<ResultEvent>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(move |call: &mut Call| {
        while let Some(event) = call.next_event()? {
            let work = handler(event, call.context().clone());
            let result = match call.stop() {
                Some(stop) => runtime.block_on(unless_stopped(work, &stop))?,
                None => runtime.block_on(work)?,
            };
            call.emit_last(result)?;
        }
        Ok(())
    })
}

async fn unless_stopped<R>(
    work: impl Future<Output = Result<R, Status>>,
    stop: &Stop,
) -> Result<R, Status> {
    let (mut work, mut stopped) = (pin!(work), pin!(stop.stopped()));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => stopped.as_mut().poll(cx).map(Err),
    })
    .await
}
