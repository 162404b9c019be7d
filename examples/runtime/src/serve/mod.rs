//! Functions behind HTTP and schedules.

pub mod connection;
pub mod cors;
pub mod http;
pub mod layout;
pub mod route;
pub mod schedule;
pub mod token;
pub mod watch;
