//! `faas-adapt`: the adapters as a Unix filter, and as a function.

mod answers;
mod cli;
mod command;
mod exit;
mod files;
mod filter;
mod function;
mod reply;
mod sources;
mod surroundings;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cli::Cli;
use exit::Failure;
use sources::{Source, explain, known, list};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version go to stdout and are no error.
            let _ = error.print();
            let usage = error.use_stderr();
            return ExitCode::from(if usage { exit::USAGE } else { exit::DONE });
        }
    };
    match run(cli) {
        Ok(status) => status,
        Err(failure) => {
            if !failure.message.is_empty() {
                let _ = writeln!(std::io::stderr(), "faas-adapt: {}", failure.message);
            }
            ExitCode::from(failure.exit)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match (cli.source.as_str(), &cli.name) {
        ("list", None) => exit::print(list().as_bytes())?,
        ("explain", Some(name)) => exit::print(explain(&known(name)?).as_bytes())?,
        ("explain", None) => return Err(Failure::usage("explain wants the name of a source")),
        (_, Some(name)) => {
            return Err(Failure::usage(format!("one source, not `{name}` too")));
        }
        (name, None) => {
            let source = match name {
                "auto" => Source::Auto,
                name => Source::Named(known(name)?),
            };
            if std::env::var_os("FAAS_MODE").is_some_and(|mode| !mode.is_empty()) {
                return function::serve(cli, source);
            }
            match (cli.reply, cli.command.is_empty()) {
                (true, _) => reply::run(&cli, source)?,
                (_, true) => filter::run(&cli, source)?,
                (_, false) => command::run(&cli, source)?,
            }
        }
    }
    Ok(ExitCode::from(exit::DONE))
}
