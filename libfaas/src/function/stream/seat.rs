//! The place of the one who reads: who takes it reads, until a call starts that it runs itself.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::reader::Reader;

/// Where the reader is while nobody reads.
///
/// Waking another thread to read while a handler runs costs more than a short handler. So the place
/// is kept for who left it: one other thread looks after a while whether it is still empty, and
/// takes it then. From there on it is kept for nobody, until handlers have been quick for a while.
pub(super) struct Seat {
    state: Mutex<State>,
    freed: Condvar,
    /// Whether handlers take their time, so that the place is kept for nobody.
    slow: AtomicBool,
}

struct State {
    reader: Option<Reader>,
    kept: bool,
    /// How often it was left.
    turns: u64,
    /// Whether somebody looks again by himself.
    watched: bool,
    /// Threads that don't.
    parked: usize,
    /// How many handlers in a row were quick, while the place is kept for nobody.
    quick: u32,
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
/// Handlers this fast are better run by who reads.
const QUICK: Duration = Duration::from_micros(50);
/// So many in a row are no accident.
const IN_A_ROW: u32 = 16;

impl Seat {
    pub(super) fn new(reader: Reader) -> Self {
        Seat {
            state: Mutex::new(State {
                reader: Some(reader),
                kept: false,
                turns: 0,
                watched: false,
                parked: 0,
                quick: 0,
            }),
            freed: Condvar::new(),
            slow: AtomicBool::new(false),
        }
    }

    /// Runs a handler, and learns how long it takes where that may change something.
    pub(super) fn time<T>(&self, run: impl FnOnce() -> T) -> T {
        if !self.slow.load(Ordering::Relaxed) {
            return run();
        }
        let begun = Instant::now();
        let result = run();
        let quick = begun.elapsed() < QUICK;
        let mut state = self.state();
        state.quick = if quick { state.quick + 1 } else { 0 };
        if state.quick >= IN_A_ROW {
            self.slow.store(false, Ordering::Relaxed);
        }
        result
    }

    /// Waits for the place. Who has just run a handler takes it at once if it is empty.
    pub(super) fn take(&self, returns: bool) -> Taken<'_> {
        let mut state = self.state();
        let (mut entitled, mut seen, mut looks) = (returns, None, 0);
        loop {
            // Still empty since the look before: its handler takes its time.
            let left = seen == Some(state.turns);
            if (entitled || left || !state.kept)
                && let Some(reader) = state.reader.take()
            {
                if state.kept && left {
                    self.slow.store(true, Ordering::Relaxed);
                    state.quick = 0;
                }
                return Taken {
                    seat: self,
                    reader: Some(reader),
                };
            }
            entitled = false;
            looks = if left { looks + 1 } else { 0 };
            seen = Some(state.turns);
            if !state.watched && looks < LOOKS && !self.slow.load(Ordering::Relaxed) {
                state.watched = true;
                let waited = self.freed.wait_timeout(state, LOOK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.watched = false;
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
        if !kept || (!state.watched && state.parked > 0) {
            self.freed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// Leaves the place, to run a handler or to write, and to come back after it.
    pub(super) fn leave(mut self) {
        if let Some(reader) = self.reader.take() {
            self.seat
                .leave(reader, !self.seat.slow.load(Ordering::Relaxed));
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
