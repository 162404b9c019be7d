//! The reference runtime: a host of [`libfaas::host`] with a command line and an HTTP gateway.

pub mod cli;
pub mod fault;
pub mod host_args;
pub mod invoke;
pub mod log;
pub mod pipe;
pub mod ps;
pub mod run;
pub mod serve;
