//! The faulty driver: a right one, and something between it and its caller.

use std::process::{Command, ExitCode};

use libfaas::{Encoding, Mode};

use super::shim::{self, Place};
use super::wire::{Ending, Wiring};

/// Runs the same command line once more, behind the fault.
pub(super) fn run(wiring: &'static Wiring) -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| program.into());
    // As a rule it does not outlive this process.
    let signal = if wiring.dies_together {
        "KILL"
    } else {
        "clear"
    };
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]).arg(program);
    command.args(args.next()).arg("--behind").args(args);
    let place = Place {
        mode: Mode::Stream,
        encoding: Encoding::Json,
        stage: 1,
        stages: 1,
    };
    match shim::between(command, wiring, &place) {
        Ok(Ending::Exit(status)) => ExitCode::from(u8::try_from(status).unwrap_or(70)),
        Ok(Ending::Signal(_)) => ExitCode::from(70),
        Err(error) => crate::run::give_up(&format!("setpriv: {error}")),
    }
}
