//! Other projects' programs, measured in the same turns.

use crate::comparison::Comparison;
use crate::options::Options;

pub(crate) fn warm(
    _all: &mut Comparison,
    _limits: &[usize],
    _size: usize,
    _cores: usize,
    _options: &Options,
) {
}

pub(crate) fn rate(
    _all: &mut Comparison,
    _limit: &[usize],
    _in_flight: usize,
    _cores: usize,
    _options: &Options,
) {
}
