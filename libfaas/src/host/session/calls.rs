//! The calls of an instance, by their numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::call::Call;

/// The calls that are open on the wire; some of them have ended for their caller.
pub(super) type Calls = HashMap<u64, Call, BuildHasherDefault<Number>>;

/// Hashes a call's number by one multiplication. The host chooses the numbers, one after the other:
/// a function only has them looked up, so it can't make them collide.
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
        unreachable!("a call's number is hashed as the number that it is");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
