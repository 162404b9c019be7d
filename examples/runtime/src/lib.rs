//! The reference runtime: a host of [`libfaas::host`] with a command line and an HTTP gateway.

pub mod host_args;
pub mod log;
pub mod serve;
