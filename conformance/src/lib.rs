//! The FSI conformance suite: judges functions, libraries, codecs and runtimes by the rules of `spec/`.
//!
//! The command line is `faas-conformance`; this library is its inside, for its own tests.
//! Each audience has a command of its own:
//!
//! ```text
//! faas-conformance function --manifest function.yaml -- python3 main.py    who writes a function
//! faas-conformance sdk --manifest probe.json -- ./probe                    who writes a library for functions
//! faas-conformance runtime -- my-runtime driver                            who writes a runtime
//! faas-conformance adapter -- my-adapter '{source}'                        who maps a vendor's events
//! ```
//!
//! A run goes: [`cli`] → [`claimed`] (what is judged) → [`runner`] (which cases, in which order) →
//! [`script`] (one case's steps) on a [`subject`] (its processes) → [`report`].

pub mod adapter;
pub mod bench;
pub mod case;
pub mod claimed;
pub mod cli;
pub mod codec;
pub mod coverage;
pub mod deploy;
mod document;
mod embedded;
pub mod error;
pub mod event;
pub mod exit;
pub mod expect;
pub mod explain;
pub mod fault;
pub mod finding;
pub mod fixture;
mod http;
pub mod incoming;
pub mod interrupt;
pub mod judge;
pub mod known;
pub mod list;
mod lure;
pub mod meaning;
pub mod outgoing;
pub mod report;
pub mod reproduce;
pub mod rule;
pub mod runner;
mod running;
pub mod runtime;
pub mod script;
pub mod select;
pub mod step;
pub mod subject;
pub mod target;
pub mod transcript;
pub mod vector;
mod watch;
mod wire;
