//! The loop without its threads.

use std::sync::Arc;

use super::super::exit::Exit;
use super::super::guard::Streams;
use super::super::{Details, Handler};
use super::seat::Who;
use super::{Settings, Shared, Wake, prepare};
use crate::Environment;

/// Calls one after the other, by who asks for them: for whoever counts what a call takes. What a
/// thread of stream mode does it does too, but for waiting for other threads.
pub struct Turns {
    pub(super) shared: Arc<Shared>,
    written: Option<u64>,
}

impl Turns {
    /// Exchanges hellos, for which the input's has to be there.
    pub(in super::super) fn new(
        environment: &Environment,
        settings: Settings,
        streams: Streams,
        handler: Handler,
    ) -> Result<Self, Exit> {
        let wakes = Wake::within_a_process();
        let (over, _) = wakes.map_err(|error| Exit::broken("preparing for the end", error))?;
        let init = Ok(Details::new());
        let shared = prepare(environment, settings, streams, over, None, init, handler)?;
        // As many as there may be, so that none is started.
        shared.state().threads = usize::MAX;
        Ok(Turns {
            shared: Arc::new(shared),
            written: None,
        })
    }

    /// Reads until a call starts and runs its handler, whose result is written, or kept for that of
    /// the next call that was read already. False at the end of the input.
    pub fn turn(&mut self) -> bool {
        let Some(start) = self.shared.next_call(Who::Returns, self.written.take()) else {
            return false;
        };
        self.written = self.shared.run(start);
        true
    }
}
