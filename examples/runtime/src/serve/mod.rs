//! Functions behind HTTP and schedules.

pub mod http;
pub mod route;
