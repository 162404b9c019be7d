//! `faas-adapt`: the adapters as a Unix filter, and as a function.

mod answers;
mod cli;
mod command;
mod exit;
mod files;
mod filter;
mod function;
mod reply;
mod surroundings;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cli::Cli;
use exit::Failure;
use faas_adapters::{ADAPTERS, Adapter, Delivery, Error, Origin, detect, find};

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

/// Which adapter to take.
#[derive(Clone, Copy)]
enum Source {
    Named(Known),
    Auto,
}

type Known = &'static dyn Adapter;

impl Source {
    fn of(self, delivery: &Delivery) -> Result<Known, Error> {
        match self {
            Source::Named(adapter) => Ok(adapter),
            Source::Auto => detect(delivery),
        }
    }
}

fn known(name: &str) -> Result<Known, Failure> {
    find(name).ok_or_else(|| {
        let near = nearest(name);
        let advice = match near[..] {
            [] => "`faas-adapt list` names all".to_owned(),
            _ => format!("did you mean {}?", near.join(", ")),
        };
        Failure::usage(format!("no source is called `{name}`; {advice}"))
    })
}

/// The sources whose names have this in them; without one, those that differ by a slip.
fn nearest(name: &str) -> Vec<&'static str> {
    const ALIKE: f64 = 0.85;
    const MOST: usize = 3;
    let name = name.to_ascii_lowercase();
    let names = || ADAPTERS.iter().map(|adapter| adapter.about().name);
    let having: Vec<_> = names()
        .filter(|other| other.contains(&name) || name.contains(other))
        .collect();
    if !having.is_empty() {
        return having;
    }
    let mut alike: Vec<_> = names()
        .map(|other| (strsim::jaro_winkler(&name, other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// A source a line: its name, who wrote the mapping, what goes back, and what it is.
fn list() -> String {
    let mut lines = Vec::new();
    for adapter in ADAPTERS {
        let about = adapter.about();
        let origin = match about.origin {
            Origin::Published(_) => "published",
            Origin::Prescribed => "prescribed",
            Origin::Refused => "refused",
        };
        let reply = if about.reply.is_some() { "reply" } else { "-" };
        let known = if about.detected_by.is_some() {
            "auto"
        } else {
            "-"
        };
        let _ = writeln!(
            lines,
            "{:<26} {origin:<10} {reply:<5} {known:<4} {}",
            about.name, about.title
        );
    }
    String::from_utf8(lines).unwrap_or_default()
}

/// The source's section of the specification.
fn explain(adapter: &Known) -> String {
    let about = adapter.about();
    let detected = about.detected_by.map_or(
        "Not known by its payload or headers: name it.".to_owned(),
        |how| format!("Known by: {how}."),
    );
    let reply = about
        .reply
        .map_or("Nothing goes back.".to_owned(), |reply| {
            format!("Goes back: {reply}.")
        });
    let section = about.mapping().unwrap_or(about.title);
    format!("{section}\n\n{detected}\n{reply}\n")
}
