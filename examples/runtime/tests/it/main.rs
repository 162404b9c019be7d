//! The reference runtime as its users see it: a process, its ports, its signals.

mod admin;
mod calls;
mod client;
mod ends;
mod files;
mod readme;
mod server;
mod stdio;
