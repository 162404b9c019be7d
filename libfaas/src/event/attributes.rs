//! Attributes by name: one list in order instead of a tree, since events have few.

use std::borrow::Cow;

use super::AttributeValue;

/// The optional attributes and extensions of an event.
pub(crate) type Attributes = Sorted<Cow<'static, str>, AttributeValue>;

/// Values by key in ascending order, the last one of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sorted<K, V>(Vec<(K, V)>);

/// The same under construction, in any order.
#[derive(Debug)]
pub(crate) struct Unsorted<K, V> {
    list: Vec<(K, V)>,
    /// It is in order so far, as most senders write it, and no key stands twice.
    sorted: bool,
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted(Vec::new())
    }
}

impl<K, V> Default for Unsorted<K, V> {
    fn default() -> Self {
        Unsorted {
            list: Vec::new(),
            sorted: true,
        }
    }
}

impl<K: Ord, V> Unsorted<K, V> {
    /// Adds a value, which replaces one of the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        // A peer that repeats a key a million times is not to make us keep a million values.
        if self.list.len() == self.list.capacity() {
            self.settle();
            let more = self.list.len().max(8);
            self.list.reserve(more);
        }
        self.sorted &= self.list.last().is_none_or(|(last, _)| *last < key);
        self.list.push((key, value));
    }

    fn settle(&mut self) {
        if !self.sorted {
            // Stable: of equal keys the last one to come stays last.
            self.list.sort_by(|(a, _), (b, _)| a.cmp(b));
            self.list.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
            self.sorted = true;
        }
    }

    /// All of them, in order.
    pub(crate) fn finish(mut self) -> Sorted<K, V> {
        self.settle();
        Sorted(self.list)
    }
}

impl<K, V> Sorted<K, V> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (K, V)> {
        self.0.iter()
    }

    pub(crate) fn into_iter(self) -> std::vec::IntoIter<(K, V)> {
        self.0.into_iter()
    }

    /// Takes what is in order already.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Sorted(Vec::with_capacity(capacity))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what comes after all that is there.
    pub(crate) fn push(&mut self, key: K, value: V)
    where
        K: Ord,
    {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < key));
        self.0.push((key, value));
    }
}

impl Attributes {
    pub(crate) fn get(&self, name: &str) -> Option<&AttributeValue> {
        let at = self.find(name).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: AttributeValue) {
        let name = name.into();
        match self.find(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Ok(at) = self.find(name) {
            self.0.remove(at);
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }
}

/// The name on its own, which for those that most events have takes no memory.
pub(crate) fn owned_name(name: &str) -> Cow<'static, str> {
    const COMMON: [&str; 8] = [
        "time",
        "subject",
        "dataschema",
        "tracestate",
        "traceparent",
        "causationid",
        "partitionkey",
        "datacontenttype",
    ];
    let common = COMMON.into_iter().find(|common| *common == name);
    common.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_key_stays_and_keys_are_in_order() {
        let mut unsorted = Unsorted::default();
        for (at, key) in "hallo echo echo".chars().enumerate() {
            unsorted.insert(key, at);
        }
        let sorted: Vec<_> = unsorted.finish().into_iter().collect();
        let expected = [
            (' ', 10),
            ('a', 1),
            ('c', 12),
            ('e', 11),
            ('h', 13),
            ('l', 3),
            ('o', 14),
        ];
        assert_eq!(sorted, expected);
    }

    #[test]
    fn repetition_is_not_kept() {
        let mut unsorted = Unsorted::default();
        for at in 0..100_000u32 {
            unsorted.insert(at % 10, at);
        }
        assert!(unsorted.list.capacity() < 100);
        let sorted: Vec<_> = unsorted.finish().into_iter().collect();
        assert_eq!(sorted.len(), 10);
        assert_eq!(sorted[3], (3, 99_993));
    }
}
