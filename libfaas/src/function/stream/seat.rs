//! The place of the one who reads: who takes it reads, until a call starts that it runs itself.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::reader::Reader;

/// Where the reader is while nobody reads.
///
/// Waking another thread to read while a handler runs costs more than a short handler. So where
/// only one handler runs at a time the place is kept for who left it: others look after a while
/// whether it is still empty, and take it then.
pub(super) struct Seat {
    state: Mutex<State>,
    freed: Condvar,
    /// Whether the place is kept for who left it.
    keep: bool,
}

struct State {
    reader: Option<Reader>,
    kept: bool,
    /// How often it was left.
    turns: u64,
    /// Threads that don't look again by themselves.
    parked: usize,
}

/// The reader, in use. Dropped, it is free for anybody.
pub(super) struct Taken<'a> {
    seat: &'a Seat,
    reader: Option<Reader>,
}

/// How long a handler may run before somebody else reads, at least.
const LOOK: Duration = Duration::from_millis(1);
/// How often one looks in vain before one waits to be woken.
const LOOKS: u32 = 20;

impl Seat {
    pub(super) fn new(reader: Reader, concurrency: usize) -> Self {
        Seat {
            state: Mutex::new(State {
                reader: Some(reader),
                kept: false,
                turns: 0,
                parked: 0,
            }),
            freed: Condvar::new(),
            keep: concurrency == 1,
        }
    }

    /// Waits for the place. Who has just run a handler takes it at once if it is empty.
    pub(super) fn take(&self, returns: bool) -> Taken<'_> {
        let mut state = self.state();
        let (mut entitled, mut seen, mut looks) = (returns, None, 0);
        loop {
            // Still empty since the look before: its handler takes its time.
            let left = !state.kept || seen == Some(state.turns);
            if (entitled || left)
                && let Some(reader) = state.reader.take()
            {
                return Taken {
                    seat: self,
                    reader: Some(reader),
                };
            }
            entitled = false;
            looks = if seen == Some(state.turns) {
                looks + 1
            } else {
                0
            };
            seen = Some(state.turns);
            if self.keep && looks < LOOKS {
                let waited = self.freed.wait_timeout(state, LOOK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                state.parked += 1;
                state = self
                    .freed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.parked -= 1;
                seen = None;
            }
        }
    }

    /// Lets others read at once: whoever runs a handler is going to wait.
    pub(super) fn free(&self) {
        let mut state = self.state();
        if state.kept {
            state.kept = false;
            self.freed.notify_one();
        }
    }

    fn leave(&self, reader: Reader, kept: bool) {
        let mut state = self.state();
        state.reader = Some(reader);
        state.kept = kept;
        state.turns += 1;
        if !kept || state.parked > 0 {
            self.freed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// Leaves the place to run a handler, and to come back after it.
    pub(super) fn run_handler(mut self) {
        if let Some(reader) = self.reader.take() {
            self.seat.leave(reader, self.seat.keep);
        }
    }
}

impl Deref for Taken<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader.as_ref().expect("it is there until it is left")
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Reader {
        self.reader.as_mut().expect("it is there until it is left")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.seat.leave(reader, false);
        }
    }
}
