//! `faas-runtime`: see `faas-runtime --help`.

use std::process::ExitCode;

use clap::Parser;
use faas_runtime::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(run) => faas_runtime::run::run(&run),
        Command::Invoke(invoke) => faas_runtime::invoke::run(&invoke),
        Command::Pipe(pipe) => faas_runtime::pipe::run(&pipe),
        Command::Serve(args) => faas_runtime::serve::run(*args),
        Command::Ps(args) => faas_runtime::ps::run(&args),
        Command::FaultShim(args) => faas_runtime::fault::shim(&args),
    }
}
