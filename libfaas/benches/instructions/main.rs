//! Instructions that the hot paths take, counted by callgrind and held against `counts.toml`: they
//! don't depend on what else the machine does, so a regression shows in CI.
//!
//! ```sh
//! cargo bench -p libfaas --bench instructions             # fails when a count is 5 % above
//! cargo bench -p libfaas --bench instructions -- --update # writes counts.toml anew
//! cargo bench -p libfaas --bench instructions -- --list   # only prints
//! ```
//!
//! Where they go: `valgrind --tool=callgrind --collect-atstart=no
//! --toggle-collect=instructions::callgrind::counted PROGRAM cases event.json.decode`, with the
//! program of target/release/deps, and `callgrind_annotate`.
//!
//! Counts depend on the compiler, on libc and on the instructions that the processor has. libc is
//! told to use the plainest of its routines (`GLIBC_TUNABLES`); `counts.toml` names the rest, and
//! where it differs nothing is compared, which is said.
//!
//! A driver of our own rather than gungraun (iai-callgrind's name today): that wants a runner
//! installed beside it in the same version, compares with the last run on the same machine instead
//! of with figures in the repository, and brings some forty crates.

mod callgrind;
mod cases;
mod counts;
#[path = "../codec/subject.rs"]
mod subject;

use std::process::ExitCode;

use counts::{Counts, Verdict};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // `cargo test --benches` builds and runs it: there is nothing to test.
    match arguments.first().map(String::as_str) {
        Some("cases") => return callgrind::work(arguments.get(1).map_or("", String::as_str)),
        Some("--test") => return ExitCode::SUCCESS,
        _ => {}
    }
    let counted = match callgrind::count() {
        Ok(counted) => counted,
        Err(callgrind::Error::Missing) => {
            println!("skipped: valgrind is not installed, so instructions can't be counted");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if given("--list") {
        print!("{}", counted.to_text());
        return ExitCode::SUCCESS;
    }
    if given("--update") {
        return match counted.write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", counts::PATH);
                ExitCode::FAILURE
            }
        };
    }
    let recorded = match Counts::read() {
        Ok(recorded) => recorded,
        Err(error) => {
            eprintln!("{}: {error}", counts::PATH);
            return ExitCode::FAILURE;
        }
    };
    match recorded.judge(&counted) {
        Verdict::Fine => ExitCode::SUCCESS,
        Verdict::Elsewhere => ExitCode::SUCCESS,
        Verdict::Worse => ExitCode::FAILURE,
    }
}
