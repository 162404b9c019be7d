//! `invoke`: one event in, its results out.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use libfaas::{Code, Context, Event, Limits, Status};

use crate::cli::Invoke;
use crate::log::{Log, say};
use crate::run::{give_up, host, load};

/// Runs the command.
pub fn run(args: &Invoke) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return give_up(&format!("starting tokio: {error}")),
    };
    let log = Log::new(args.common.log, std::io::stderr());
    let result = runtime.block_on(invoke(args, &log));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    log.close();
    match result.and_then(|events| print(&events)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            say(&status.to_string());
            for (name, value) in &status.details {
                say(&format!("{name}: {value}"));
            }
            ExitCode::from(status.code.exit())
        }
    }
}

async fn invoke(args: &Invoke, log: &Log) -> Result<Vec<Event>, Status> {
    let (mut manifest, folder) = load(&args.manifest)?;
    prefer(&mut manifest.modes, args.mode.as_deref(), "--mode")?;
    prefer(
        &mut manifest.encodings,
        args.encoding.as_deref(),
        "--encoding",
    )?;
    let event = read_event(&args.event)?;
    let (host, _) = host(&args.common, None, log)?;
    let (tenant, name) = (args.common.tenant(), manifest.name.clone());
    let deployed = host.deploy(&tenant, manifest, folder).await?;
    let result = match deployed.status {
        status if status.is_ok() => match host.call(&tenant, &name, Context::default()) {
            Ok(call) => call.unary(event).await,
            Err(status) => Err(status),
        },
        status => Err(status),
    };
    host.shutdown().await;
    result
}

/// Leaves nothing but `wanted` in a list of the manifest's.
fn prefer<T: FromStr + PartialEq + std::fmt::Display>(
    list: &mut Vec<T>,
    wanted: Option<&str>,
    option: &str,
) -> Result<(), Status> {
    let Some(wanted) = wanted else { return Ok(()) };
    let offered: Vec<String> = list.iter().map(T::to_string).collect();
    list.retain(|one| one.to_string() == wanted);
    if !list.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{option}: expected one of the manifest's ({}), got {wanted}",
        offered.join(", ")
    );
    Err(Status::new(Code::FailedPrecondition, message))
}

fn read_event(path: &Path) -> Result<Event, Status> {
    let bad = |reason: String| {
        let message = format!("--event {}: {reason}", path.display());
        Status::new(Code::InvalidArgument, message)
    };
    let limits = Limits::default();
    // One byte more than may be shows what is too much.
    let most = limits.max_message_bytes as u64 + 1;
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().lock().take(most).read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    read.map_err(|error| bad(error.to_string()))?;
    Event::decode(bytes, libfaas::Encoding::Json, &limits).map_err(|fault| bad(fault.to_string()))
}

fn print(events: &[Event]) -> Result<(), Status> {
    let mut stdout = std::io::stdout().lock();
    let written = events
        .iter()
        .try_for_each(|event| writeln!(stdout, "{}", event.to_json()))
        .and_then(|()| stdout.flush());
    match written {
        // Who reads no more has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Status::new(
            Code::Internal,
            format!("writing to stdout: {error}"),
        )),
        _ => Ok(()),
    }
}
