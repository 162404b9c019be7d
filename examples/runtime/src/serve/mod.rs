//! Functions behind HTTP and schedules.

pub mod route;
