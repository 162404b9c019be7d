//! The command line of the FSI conformance suite.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use faas_conformance::case::Kind;
use faas_conformance::cli::{Cli, Command};
use faas_conformance::error::{Error, Result};
use faas_conformance::subject::{launch, sweep};
use faas_conformance::{
    adapter, bench, codec, exit, explain, interrupt, judge, list, report, runtime,
};

fn main() -> ExitCode {
    if let Some(exit) = bench::program() {
        return exit;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and the version go to stdout and are no error.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() {
                exit::USAGE
            } else {
                exit::CONFORMING
            });
        }
    };
    launch::seal_inherited();
    sweep::become_reaper();
    let status = interrupt::install()
        .map_err(|e| Error::not_judged(format!("signals can't be handled: {e}"), "try again"))
        .and_then(|()| run(&cli.command));
    sweep::kill_descendants();
    match status {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            let _ = writeln!(anstream::stderr(), "faas-conformance: {e}");
            ExitCode::from(e.exit())
        }
    }
}

fn run(command: &Command) -> Result<u8> {
    let mut stdout = anstream::stdout().lock();
    match command {
        Command::Function(options) => judge::judge(options, Kind::Function),
        Command::Sdk(options) => judge::judge(options, Kind::Sdk),
        Command::Runtime(options) => runtime::judge(options),
        Command::Codec(options) => codec::judge(options),
        Command::Adapter(options) => adapter::judge(options),
        Command::Bench { subject } => bench::bench(subject, &mut stdout),
        Command::List(options) => {
            list::list(
                &judge::cases(options.cases.as_deref())?,
                options.pattern.as_deref(),
                &mut stdout,
            )?;
            Ok(exit::CONFORMING)
        }
        Command::Explain { id } => {
            explain::explain(id, &judge::cases(None)?, &mut stdout)?;
            Ok(exit::CONFORMING)
        }
        Command::Report { file, format } => {
            report::render(file, *format, &mut stdout)?;
            Ok(exit::CONFORMING)
        }
    }
}
