//! The reference probe: the function that spec/probe.md describes, with faults to order.
//!
//! ```text
//! faas-probe [--fault NAME]    serves as the environment says, with one defect if asked
//! faas-probe --list-faults     NAME, modes, encodings, what: one fault a line
//! ```

mod call;
mod disfigure;
mod fault;
mod greet;
mod handler;
mod input;
mod oneshot;
mod output;
mod setup;
mod stdio;
mod stream;
mod work;

use std::process::ExitCode;

use libfaas::Mode;
use setup::Setup;

const MANIFEST: &str = include_str!("probe.json");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {}
        ["--list-faults"] => {
            for fault in faas_conformance::fault::PROBE {
                println!(
                    "{}\t{}\t{}\t{}",
                    fault.name,
                    fault.modes.join(","),
                    fault.encodings.join(","),
                    fault.what
                );
            }
            return ExitCode::SUCCESS;
        }
        ["--fault", name] => {
            if let Err(why) = fault::activate(name) {
                eprintln!("{why}");
                return ExitCode::from(64);
            }
        }
        _ => {
            eprintln!("usage: faas-probe [--fault NAME | --list-faults]");
            return ExitCode::from(64);
        }
    }
    let setup = match Setup::from_env() {
        Ok(setup) => setup,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(78);
        }
    };
    let served = match setup.mode {
        None => {
            print!("{MANIFEST}");
            return ExitCode::SUCCESS;
        }
        Some(Mode::Stream) => stream::serve(&setup),
        Some(mode) => oneshot::serve(&setup, mode),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stdin or stdout can't be used: {error}");
            ExitCode::from(70)
        }
    }
}
