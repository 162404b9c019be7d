//! The suite's own tests: one binary, one module per subject.

mod adapter;
mod bench;
mod codec;
mod faults;
mod formats;
mod judging;
mod manifest;
mod odd;
mod pages;
mod runtime;
mod security;
mod suite;
mod tidy;
mod usage;
