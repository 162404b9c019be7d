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
    reader: Option<Box<Reader>>,
    kept: bool,
    /// How often it was left.
    turns: u64,
    /// Whether somebody looks again by himself.
    watched: bool,
    /// Threads that don't.
    parked: usize,
    /// Threads that want the place, or were started to want it.
    waiting: usize,
    /// How many handlers in a row were quick, while the place is kept for nobody.
    quick: u32,
}

/// The reader, in use. Dropped, it is free for anybody.
pub(super) struct Taken<'a> {
    seat: &'a Seat,
    reader: Option<Box<Reader>>,
}

/// Who wants the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A thread that was [expected](Seat::expect).
    New,
    /// One that has just run a handler, for whom the place may be kept.
    Returns,
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
                reader: Some(Box::new(reader)),
                kept: false,
                turns: 0,
                watched: false,
                parked: 0,
                waiting: 0,
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

    /// A thread is started that will want the place.
    pub(super) fn expect(&self) {
        self.state().waiting += 1;
    }

    /// The place, if it is empty: for who has just run a handler.
    pub(super) fn take_back(&self) -> Option<Taken<'_>> {
        let reader = self.state().reader.take()?;
        Some(Taken {
            seat: self,
            reader: Some(reader),
        })
    }

    /// Waits for the place. Who has just run a handler takes it at once if it is empty.
    pub(super) fn take(&self, who: Who) -> Taken<'_> {
        let mut state = self.state();
        if who != Who::New {
            state.waiting += 1;
        }
        let (mut entitled, mut seen, mut looks) = (who == Who::Returns, None, 0);
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
                state.waiting -= 1;
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

    /// Whether somebody else waits for it.
    fn leave(&self, reader: Box<Reader>, kept: bool) -> bool {
        let mut state = self.state();
        state.reader = Some(reader);
        state.kept = kept;
        state.turns += 1;
        if !kept || (!state.watched && state.parked > 0) {
            self.freed.notify_one();
        }
        state.waiting > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// Leaves the place, to run a handler or to write, and to come back after it. Whether somebody
    /// else waits for it.
    pub(super) fn leave(mut self) -> bool {
        let kept = !self.seat.slow.load(Ordering::Relaxed);
        let reader = self.reader.take();
        reader.is_some_and(|reader| self.seat.leave(reader, kept))
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

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::Environment;

    fn seat() -> Seat {
        let (input, _) = pipe().unwrap();
        Seat::new(Reader::new(input.into(), &Environment::default()))
    }

    /// Waits until it is so, which it will be at once or a little later.
    fn until(mut so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never is");
            thread::yield_now();
        }
    }

    #[test]
    fn who_has_run_a_handler_takes_it_back() {
        let seat = seat();
        seat.expect();
        let taken = seat.take(Who::New);
        assert!(seat.take_back().is_none(), "it is taken");
        assert!(!taken.leave(), "nobody else wants it");
        assert!(seat.state().kept);
        assert!(seat.take_back().is_some());
        assert!(!seat.state().kept, "dropped, it is anybody's");
    }

    /// Who starts a thread whenever nobody waits does not start two while the first one comes.
    #[test]
    fn a_thread_that_was_started_counts_as_waiting() {
        let seat = seat();
        seat.expect();
        let taken = seat.take(Who::New);
        seat.expect();
        assert!(taken.leave());
        thread::scope(|scope| {
            let taken = seat.take_back().unwrap();
            let waits = scope.spawn(|| drop(seat.take(Who::New)));
            until(|| seat.state().watched);
            assert_eq!(seat.state().waiting, 1);
            drop(taken);
            waits.join().unwrap();
            assert_eq!(seat.state().waiting, 0);
        });
    }

    #[test]
    fn another_one_reads_when_a_handler_takes_its_time() {
        let seat = seat();
        seat.expect();
        let taken = seat.take(Who::New);
        thread::scope(|scope| {
            seat.expect();
            let other = scope.spawn(|| drop(seat.take(Who::New)));
            until(|| seat.state().watched);
            assert!(taken.leave());
            // The handler runs until the other one has been there.
            other.join().unwrap();
        });
        assert!(seat.slow.load(Ordering::Relaxed), "it is kept for nobody");
        assert!(!seat.take_back().unwrap().leave());
        assert!(!seat.state().kept);
    }

    #[test]
    fn who_has_looked_in_vain_is_woken() {
        let seat = seat();
        seat.expect();
        let taken = seat.take(Who::New);
        thread::scope(|scope| {
            seat.expect();
            let other = scope.spawn(|| drop(seat.take(Who::New)));
            // It is taken whenever one looks, and seems to be so for ever.
            until(|| seat.state().parked == 1);
            assert!(taken.leave());
            other.join().unwrap();
        });
        assert!(seat.slow.load(Ordering::Relaxed));
    }

    #[test]
    fn it_is_free_for_others_when_a_handler_waits() {
        let seat = seat();
        seat.expect();
        let taken = seat.take(Who::New);
        thread::scope(|scope| {
            taken.leave();
            seat.free();
            assert!(!seat.state().kept);
            seat.expect();
            // Without a look before.
            let taken = seat.take(Who::New);
            assert!(!seat.slow.load(Ordering::Relaxed));
            let returns = scope.spawn(|| drop(seat.take(Who::Returns)));
            until(|| seat.state().waiting == 1);
            drop(taken);
            returns.join().unwrap();
        });
    }

    #[test]
    fn quick_handlers_in_a_row_get_it_kept_again() {
        let seat = seat();
        let slow = || seat.slow.load(Ordering::Relaxed);
        let takes_its_time = || {
            let begun = Instant::now();
            while begun.elapsed() <= QUICK {}
        };
        seat.slow.store(true, Ordering::Relaxed);
        let quick = |times| (0..times).for_each(|_| seat.time(|| ()));
        let begun = Instant::now();
        quick(IN_A_ROW - 1);
        seat.time(takes_its_time);
        assert!(slow() && seat.state().quick == 0);
        // One that the machine held up begins the row anew.
        until(|| {
            seat.time(|| ());
            !slow()
        });
        assert!(begun.elapsed() >= QUICK && seat.state().quick >= IN_A_ROW);
    }

    /// Handlers of any length, by more threads than calls that run at once: there is always one
    /// more who reads, and never two.
    #[test]
    fn somebody_always_reads() {
        const THREADS: u32 = 4;
        const CALLS: u32 = 400;
        let seat = seat();
        let (reads, calls) = (AtomicU32::new(0), AtomicU32::new(0));
        (0..THREADS).for_each(|_| seat.expect());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut who = Who::New;
                    loop {
                        let back = (who == Who::Returns).then(|| seat.take_back()).flatten();
                        let taken = back.unwrap_or_else(|| seat.take(who));
                        assert_eq!(reads.fetch_add(1, Ordering::SeqCst), 0);
                        let call = calls.fetch_add(1, Ordering::SeqCst);
                        reads.fetch_sub(1, Ordering::SeqCst);
                        if call >= CALLS {
                            return;
                        }
                        taken.leave();
                        seat.time(|| {
                            // Every fifth waits for calls that only others can read.
                            let until_call = match call % 5 {
                                0 => (call + THREADS - 2).min(CALLS),
                                _ => 0,
                            };
                            until(|| calls.load(Ordering::SeqCst) > until_call || until_call == 0);
                        });
                        who = Who::Returns;
                    }
                });
            }
        });
        assert!(calls.load(Ordering::SeqCst) >= CALLS);
    }
}
