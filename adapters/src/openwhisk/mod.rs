//! Apache OpenWhisk.

pub(crate) mod event;
pub(crate) mod kafka;
pub(crate) mod run;
