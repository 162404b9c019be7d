//! What is due when: one timer for all calls of an instance.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::host::settings::later;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The function's hello.
    Init,
    /// The process's end, after that of its stdout.
    Death,
    /// A call's deadline, or the end of its grace.
    Call(u64),
}

#[derive(Clone, Debug)]
pub(super) struct Timers {
    /// In ascending order. What is set is mostly due after all others, and what is taken away is
    /// mostly among the first: both are at an end.
    due: VecDeque<(Instant, Timer)>,
    /// When the hello is due.
    init: Option<Instant>,
    /// Graces that began when nobody said what time it was.
    waiting: Vec<u64>,
    /// The last time that was told.
    now: Instant,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Timers {
            due: VecDeque::new(),
            init: None,
            waiting: Vec::new(),
            now,
        }
    }

    /// Takes the time, which never goes back.
    pub(super) fn at(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn after(&self, time: Duration) -> Instant {
        later(self.now, time)
    }

    /// Moves a timer.
    pub(super) fn set(&mut self, from: Option<Instant>, to: Option<Instant>, timer: Timer) {
        if let Some(from) = from
            && let Ok(at) = self.due.binary_search(&(from, timer))
        {
            self.due.remove(at);
        }
        if let Some(to) = to {
            let one = (to, timer);
            match self.due.back() {
                Some(last) if one <= *last => {
                    if let Err(at) = self.due.binary_search(&one) {
                        self.due.insert(at, one);
                    }
                }
                _ => self.due.push_back(one),
            }
        }
        if timer == Timer::Init {
            self.init = to;
        }
    }

    pub(super) fn init(&self) -> Option<Instant> {
        self.init
    }

    /// Sets a call's grace as soon as somebody says what time it is.
    pub(super) fn set_later(&mut self, call: u64) {
        self.waiting.push(call);
    }

    pub(super) fn take_waiting(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        if !self.waiting.is_empty() {
            return Some(self.now);
        }
        self.due.front().map(|(due, _)| *due)
    }

    /// The next timer that has run out.
    pub(super) fn pop(&mut self) -> Option<Timer> {
        let (due, timer) = *self.due.front()?;
        (due <= self.now).then(|| {
            self.due.pop_front();
            timer
        })
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.waiting.clear();
    }
}
