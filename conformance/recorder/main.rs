//! The recorder: the function that the suite has a runtime start (spec/probe.md, "The recorder").
//!
//! It says what it was given, tries what it should not be able to do, and misbehaves as a case says:
//! all of it steps, which stand in the data of the event that it gets, and for the time before its
//! hello in the argument `--init`. cases/README.md lists the steps.
//!
//! ```text
//! faas-recorder [--init=STEPS] [--stage=N] [ANYTHING]…
//! ```
//!
//! It is written without the library's function side, and for one thread: what a process looks like
//! when it begins is part of what it reports, so nothing may change that before it looks.

#![no_main]

mod attempt;
mod events;
mod oneshot;
mod output;
mod process;
mod report;
mod setup;
mod step;
mod stream;

use std::ffi::{c_char, c_int};
use std::process::exit;

use libfaas::Mode;

use crate::setup::Setup;

/// The entry of the C runtime. Rust's own would ignore SIGPIPE and catch SIGSEGV, and the report
/// could then not tell what the runtime under test had set.
// SAFETY: no other symbol of the program is named `main`.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    let setup = match Setup::from_process() {
        Ok(setup) => setup,
        Err(why) => {
            eprintln!("{why}");
            return 78;
        }
    };
    match setup.mode {
        Mode::Stream => stream::Stream::new(setup).serve(),
        _ => oneshot::serve(setup),
    }
    exit(0)
}
