//! Maps by numbers that the host gives out, one after the other.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What stands behind a number that the host chose: a call on a stream, an invocation, an instance.
pub(super) type Numbered<T> = HashMap<u64, T, BuildHasherDefault<Number>>;

/// Hashes a number by one multiplication. A function only has numbers looked up, so it can't make
/// them collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number(u64);

impl Hasher for Number {
    fn write_u64(&mut self, number: u64) {
        /// 2^64 by the golden ratio: numbers that follow each other are spread over all of the
        /// bits, of which the map uses the upper ones too.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.0 = number.wrapping_mul(SPREAD);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a number is hashed as the number that it is");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
