//! The memory of calls that are over.

/// Numbers of calls that are over, and which of them were cancelled. Bounded: what came first is
/// forgotten first, half of it at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    recent: Generation,
    older: Generation,
}

#[derive(Clone, Debug, Default)]
struct Generation {
    ended: Numbers,
    cancelled: Numbers,
    added: usize,
}

/// A set of numbers, as the first and the last of those that follow each other. Most hosts count
/// upwards, so there are only a few of these, and a number that was not there before is seen to be
/// new at the last of them.
#[derive(Clone, Debug, Default)]
struct Numbers(Vec<(u64, u64)>);

/// Remembered by a generation. The specification asks for 1,024 calls, and a call may be cancelled
/// after it has ended, which makes two of it.
const GENERATION: usize = 2048;

impl Past {
    /// Both directions of the call have ended.
    pub(super) fn end(&mut self, call: u64) {
        let cancelled = self.was_cancelled(call);
        self.add(call, cancelled);
    }

    /// The call was cancelled, before or after its end.
    pub(super) fn cancel(&mut self, call: u64) {
        self.add(call, true);
    }

    pub(super) fn has_ended(&self, call: u64) -> bool {
        let ended = |generation: &Generation| generation.ended.contains(call);
        ended(&self.recent) || ended(&self.older) || self.was_cancelled(call)
    }

    pub(super) fn was_cancelled(&self, call: u64) -> bool {
        self.recent.cancelled.contains(call) || self.older.cancelled.contains(call)
    }

    fn add(&mut self, call: u64, cancelled: bool) {
        if self.recent.added == GENERATION {
            std::mem::swap(&mut self.recent, &mut self.older);
            self.recent.clear();
        }
        let numbers = match cancelled {
            true => &mut self.recent.cancelled,
            false => &mut self.recent.ended,
        };
        self.recent.added += usize::from(numbers.insert(call));
    }
}

impl Generation {
    fn clear(&mut self) {
        self.ended.0.clear();
        self.cancelled.0.clear();
        self.added = 0;
    }
}

impl Numbers {
    /// Where the number stands, or would stand.
    fn find(&self, number: u64) -> usize {
        match self.0.last() {
            Some(&(_, last)) if number <= last => {
                self.0.partition_point(|&(_, last)| last < number)
            }
            _ => self.0.len(),
        }
    }

    fn contains(&self, number: u64) -> bool {
        let found = self.0.get(self.find(number));
        found.is_some_and(|&(first, _)| first <= number)
    }

    /// Whether it is new.
    fn insert(&mut self, number: u64) -> bool {
        let at = self.find(number);
        let next = self.0.get(at).map(|&(first, _)| first);
        if next.is_some_and(|first| first <= number) {
            return false;
        }
        // All before it are smaller, and what is next is larger, so nothing overflows.
        let follows = at > 0 && self.0[at - 1].1 + 1 == number;
        let precedes = next.is_some_and(|first| first - 1 == number);
        match (follows, precedes) {
            (true, true) => self.0[at - 1].1 = self.0.remove(at).1,
            (true, false) => self.0[at - 1].1 = number,
            (false, true) => self.0[at].0 = number,
            (false, false) => self.0.insert(at, (number, number)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_numbers_is_one(numbers in prop::collection::vec(0..40_u64, 0..60)) {
            let (mut ours, mut theirs) = (Numbers::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ours.insert(number), theirs.insert(number));
                for number in 0..41 {
                    prop_assert_eq!(ours.contains(number), theirs.contains(&number));
                }
                let apart = |pair: &[(u64, u64)]| pair[0].1 + 1 < pair[1].0;
                prop_assert!(ours.0.windows(2).all(apart), "{:?}", ours);
            }
        }
    }

    /// Whatever order a host counts in, and with calls that end and are cancelled after that.
    #[test]
    fn the_last_1024_calls_are_remembered_and_not_all() {
        let orders: [fn(u64) -> u64; 3] =
            [|n| n, |n| 1 << 52 >> 2 | (n * 7), |n| (1 << 40) - 3 * n];
        for number in orders {
            let mut past = Past::default();
            for n in 1..=20_000 {
                past.end(number(n));
                if n % 2 == 0 {
                    past.cancel(number(n));
                }
                if n % 777 == 0 {
                    for n in n.saturating_sub(1024).max(1)..=n {
                        assert!(past.has_ended(number(n)), "{n}");
                        assert_eq!(past.was_cancelled(number(n)), n % 2 == 0, "{n}");
                    }
                }
            }
            let (recent, older) = (&past.recent, &past.older);
            assert!(recent.added <= GENERATION && older.added <= GENERATION);
            assert!(!past.has_ended(number(1)));
        }
    }

    #[test]
    fn a_call_that_ends_long_after_its_cancel_stays_cancelled() {
        let mut past = Past::default();
        past.cancel(1);
        (2..2000).for_each(|call| past.end(call));
        past.end(1);
        (2000..3000).for_each(|call| past.end(call));
        assert!(past.was_cancelled(1) && past.has_ended(1));
    }

    /// What most hosts do takes no more than a few bytes, however many calls there were.
    #[test]
    fn numbers_that_follow_each_other_take_no_room() {
        let mut past = Past::default();
        for first in (1..100_000).step_by(8) {
            // Eight at once, that end in another order.
            (0..8).for_each(|n| past.end(first + (n * 5) % 8));
        }
        assert_eq!(past.recent.ended.0.len(), 1);
        assert!(past.recent.ended.0.capacity() <= 8);
    }
}
