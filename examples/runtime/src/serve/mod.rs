//! Functions behind HTTP and schedules.

pub mod account;
pub mod catalog;
pub mod connection;
pub mod cors;
pub mod gateway;
pub mod http;
pub mod invoke;
pub mod layout;
pub mod metrics;
pub mod route;
pub mod schedule;
pub mod token;
pub mod watch;
