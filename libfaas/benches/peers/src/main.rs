//! Other projects' ways to call a function, measured as `../host` measures ours.
//!
//! `faas-peers WHAT --size BYTES --cores N [--in-flight N] [--program PATH]` starts a server in a
//! process of its own and says `ready`. Each line that it then reads is a turn of so many
//! milliseconds, whose figure it writes: the median time of a call in seconds, or with
//! `--in-flight` calls per second.
//!
//! Nobody is held back: release builds, connections that are kept, the same payload, a runtime
//! without threads on one core and with threads on more.

mod grpc;
mod http1;
mod lambda;
mod payload;
mod server;
mod turns;

use std::future::Future;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    size: usize,
    cores: usize,
    /// None: one call at a time, of which the time counts.
    in_flight: Option<usize>,
    /// What is started, where it isn't this program.
    program: Option<String>,
    /// Where a server listens.
    address: String,
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("expected what to measure")?;
    let mut options = Options::default();
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{flag}: expected a value"))?;
        match flag.as_str() {
            "--size" => options.size = value.parse()?,
            "--cores" => options.cores = value.parse()?,
            "--in-flight" => options.in_flight = Some(value.parse()?),
            "--program" => options.program = Some(value),
            "--address" => options.address = value,
            _ => return Err(format!("{flag}: no such option").into()),
        }
    }
    let cores = options.cores;
    match what.as_str() {
        "hyper" => run(cores, http1::measure_unix(options)),
        "hyper-server" => run(cores, http1::serve(options)),
        "tonic" => run(cores, grpc::measure(options)),
        "tonic-server" => run(cores, grpc::serve(options)),
        "lambda" => run(cores, lambda::measure(options)),
        "lambda-function" => run(cores, lambda::function()),
        "functions-framework" => run(cores, http1::measure_framework(options)),
        _ => Err(format!("{what}: no such peer").into()),
    }
}

fn run(cores: usize, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let mut runtime = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(work)
}
