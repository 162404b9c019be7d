//! Where an instance is told what to do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::invocation::Invocation;

/// An instance's door: what others want of it, in any order and without waiting.
#[derive(Default)]
pub(super) struct Port {
    wishes: Mutex<Wishes>,
    changed: Notify,
}

/// What an instance is to do.
#[derive(Default)]
pub(super) struct Wishes {
    /// Calls that it is to serve.
    pub(super) opened: VecDeque<Arc<Invocation>>,
    /// Calls of which there is something new to see: input, a cancel, room for output.
    pub(super) touched: Vec<u64>,
    /// It is to finish what it has, and go.
    pub(super) drain: bool,
}

impl Port {
    pub(super) fn open(&self, invocation: Arc<Invocation>) {
        self.change(|wishes| wishes.opened.push_back(invocation));
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
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let drain = wishes.drain;
        std::mem::replace(
            &mut *wishes,
            Wishes {
                drain,
                ..Wishes::default()
            },
        )
    }

    /// Waits until something has come since the last wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }
}
