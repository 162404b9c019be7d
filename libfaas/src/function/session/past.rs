//! The memory of calls that are over.

use std::collections::{HashMap, VecDeque};

/// Numbers of calls that are over, and how. Bounded: the oldest are forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    cancelled: HashMap<u64, bool>,
    oldest_first: VecDeque<u64>,
}

/// The specification asks for 1,024.
const REMEMBERED: usize = 4096;

impl Past {
    /// Both directions of the call have ended.
    pub(super) fn end(&mut self, call: u64) {
        self.remember(call);
    }

    /// The call was cancelled, before or after its end.
    pub(super) fn cancel(&mut self, call: u64) {
        *self.remember(call) = true;
    }

    pub(super) fn has_ended(&self, call: u64) -> bool {
        self.cancelled.contains_key(&call)
    }

    pub(super) fn was_cancelled(&self, call: u64) -> bool {
        self.cancelled.get(&call) == Some(&true)
    }

    fn remember(&mut self, call: u64) -> &mut bool {
        if !self.cancelled.contains_key(&call) {
            if self.oldest_first.len() == REMEMBERED {
                self.oldest_first
                    .pop_front()
                    .map(|oldest| self.cancelled.remove(&oldest));
            }
            self.oldest_first.push_back(call);
        }
        self.cancelled.entry(call).or_default()
    }
}
