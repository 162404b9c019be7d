//! GitHub.

mod table;
pub(crate) mod webhook;
