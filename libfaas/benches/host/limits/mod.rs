//! What the machine can do: minimal loops, without anything that could be left out.

pub(crate) mod chain;
pub(crate) mod clock;
pub(crate) mod echo;
pub(crate) mod spawn;
