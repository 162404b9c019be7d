//! Every target of speed and size, with the limit measured in the same run, in one table.
//!
//! ```sh
//! cargo bench -p libfaas                 # everything
//! cargo bench -p libfaas -- warm rate    # what has one of these in its name
//! cargo bench -p libfaas -- --list       # the names
//! cargo bench -p libfaas -- --json       # the same as JSON
//! ```
//!
//! benches/README.md says what is measured, and how to read it. Each comparison has a process of
//! its own, so that none meets the threads, the memory or the cores of another.

mod allocations;
mod comparison;
mod event;
mod limits;
mod machine;
mod options;
mod ours;
mod peers;
mod programs;
mod report;
mod rows;
mod worker;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(exit) = programs::run(&arguments) {
        return exit;
    }
    let measures = arguments.iter().any(|argument| argument == "--bench");
    arguments.retain(|argument| argument != "--bench");
    // `cargo test --benches` runs it too, without `--bench`: there is nothing to test.
    if !measures && std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if options.worker {
        return worker::serve(&options);
    }
    let entries = rows::all().into_iter();
    let entries: Vec<_> = entries.filter(|entry| options.wants(&entry.id)).collect();
    if entries.is_empty() {
        eprintln!(
            "nothing has one of {:?} in its name; see --list",
            options.filters
        );
        return ExitCode::from(2);
    }
    if options.list {
        for entry in &entries {
            println!("{:<28} {}", entry.id, entry.what);
        }
        return ExitCode::SUCCESS;
    }
    let wanted = entries.iter().any(|entry| rows::has_peers(&entry.id));
    let (name, told) = peers::build(&options, wanted);
    let mut report = report::Report::start(&options);
    for entry in &entries {
        report.add(worker::measure(entry, &options, (name, &told)));
    }
    report.finish();
    ExitCode::SUCCESS
}
