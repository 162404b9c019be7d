//! Binary and structured mode: one process, one call.

mod binary;
mod structured;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Handler;
use super::call::{Call, Port};
use super::exit::Exit;
use crate::{Code, Status};

pub(super) use binary::BinaryPort;
pub(super) use structured::StructuredPort;

/// Runs the one call of the process.
pub(super) fn serve(
    port: impl Port + 'static,
    trouble: Trouble,
    max_event_bytes: usize,
    handler: &Handler,
) -> Exit {
    let (result, _) = Call::new(Box::new(port), None, max_event_bytes).run(handler);
    trouble.taken().unwrap_or_else(|| Exit::from(result))
}

/// How the process ends when its streams fail, whatever the handler makes of that.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Exit>>>);

impl Trouble {
    fn with(&self, what: &str, error: io::Error) -> Status {
        let exit = Exit::broken(what, error);
        let status = match &exit {
            Exit::Failed(status) => status.clone(),
            _ => Status::new(Code::Unavailable, "stdout is closed"),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(exit);
        status
    }

    fn taken(&self) -> Option<Exit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A process of one call is killed, not cancelled, so there is nothing to wait for.
fn unstoppable() -> Status {
    Status::new(
        Code::Cancelled,
        "a call of this mode ends with its process; nothing cancels it",
    )
}
