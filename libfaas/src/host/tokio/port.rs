//! Where an instance is told what to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::invocation::Invocation;

/// An instance's door: what others want of it, in any order and without waiting.
#[derive(Default)]
pub(super) struct Port(Mutex<State>);

#[derive(Default)]
struct State {
    wishes: Wishes,
    /// They have changed since the instance took them.
    changed: bool,
    /// Wakes the instance's task, once.
    waker: Option<Waker>,
}

/// What an instance is to do.
#[derive(Default)]
pub(super) struct Wishes {
    /// Calls that it is to serve.
    pub(super) opened: Vec<Arc<Invocation>>,
    /// Calls of which there is something new to see: input, a cancel, room for output.
    pub(super) touched: Vec<u64>,
    /// It is to finish what it has, and go.
    pub(super) drain: bool,
}

impl Port {
    pub(super) fn open(&self, invocation: Arc<Invocation>) {
        self.change(|wishes| wishes.opened.push(invocation));
    }

    /// The caller sees to it that a call is not touched again before the instance has looked.
    pub(super) fn touch(&self, ticket: u64) {
        self.change(|wishes| wishes.touched.push(ticket));
    }

    pub(super) fn drain(&self) {
        self.change(|wishes| wishes.drain = true);
    }

    /// What has come since the last time.
    pub(super) fn take(&self) -> Wishes {
        let mut wishes = Wishes::default();
        self.exchange(&mut wishes);
        wishes
    }

    /// The same, for lists that have been emptied: both sides keep what they have allocated.
    pub(super) fn exchange(&self, taken: &mut Wishes) {
        let mut state = self.state();
        state.changed = false;
        std::mem::swap(&mut state.wishes, taken);
        // It stays wanted.
        state.wishes.drain = taken.drain;
    }

    /// Waits until something has come that was not taken. One task at a time.
    pub(super) async fn changed(&self) {
        std::future::poll_fn(|cx| self.poll_changed(cx)).await;
    }

    pub(super) fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.changed {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        let mut state = self.state();
        change(&mut state.wishes);
        state.changed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
