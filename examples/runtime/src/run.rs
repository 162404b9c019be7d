//! `run`: a function on this process's own stdio, and the driver of spec/probe.md.

mod driver;
mod relay;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfaas::function::{Exit, Function};
use libfaas::host::Host;
use libfaas::{Code, Environment, Manifest, Status};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::cli::{Common, Run};
use crate::fault;
use crate::host_args::Claim;
use crate::log::{Log, Record, Severity, say};
use driver::Driver;

/// After SIGTERM, this long is waited for functions to go by themselves. Whoever sent it waits 5 s.
const HASTE: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn run(args: &Run) -> ExitCode {
    if let Some(exit) = fault::begin(args) {
        return exit;
    }
    let path = args.manifest.clone();
    serve(&args.common, move || load(&path))
}

/// Serves the function that `load` gives on stdio, until stdin ends or SIGTERM comes.
pub(crate) fn serve(
    common: &Common,
    load: impl FnOnce() -> Result<(Manifest, PathBuf), Status> + Send + 'static,
) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return give_up(&format!("starting tokio: {error}")),
    };
    let log = Log::new(common.log, std::io::stderr());
    let driver: Arc<OnceLock<Driver>> = Arc::default();
    let terminated: Arc<OnceLock<Mutex<Signal>>> = Arc::default();
    let on_sigterm = Arc::clone(&terminated);
    let (init, handler) = (Arc::clone(&driver), Arc::clone(&driver));
    let last_log = log.clone();
    let (on_init, on_call) = (runtime.handle().clone(), runtime.handle().clone());
    let (common, its_log) = (common.clone(), log.clone());
    Function::new()
        .producer(concat!("faas-runtime ", env!("CARGO_PKG_VERSION")))
        .init_with_details(move || {
            let (manifest, folder) = load()?;
            on_init.block_on(async {
                let (host, claim) = host(&common, message_limit()?, &its_log)?;
                let driver = Driver::new(host, common.tenant(), manifest, folder, its_log);
                let details = driver.details(&claim);
                init.get_or_init(|| driver).begin().await?;
                // From here on the library answers SIGTERM, and this remembers that it came.
                if let Ok(signal) = signal(SignalKind::terminate()) {
                    on_sigterm.get_or_init(|| Mutex::new(signal));
                }
                Ok(details)
            })
        })
        .at_exit(move |exit| {
            if let Some(driver) = driver.get() {
                runtime.block_on(finish(driver, exit, terminated.get()));
            }
            // What is still there is killed with the tasks that own it.
            runtime.shutdown_timeout(HASTE);
            last_log.close();
        })
        .serve_calls(move |call| match handler.get() {
            Some(driver) => on_call.block_on(relay::relay(driver, call)),
            None => Err(Status::new(
                Code::Internal,
                "a call came before the initialisation",
            )),
        })
}

/// What this process may put into one message, and so the functions behind it.
fn message_limit() -> Result<Option<usize>, Status> {
    let environment = Environment::from_vars(std::env::vars_os());
    let environment = environment.map_err(|fault| fault.status())?;
    Ok(Some(environment.max_message_bytes))
}

/// A host as the command line asks for it, and what it claims.
pub(crate) fn host(
    common: &Common,
    max_message_bytes: Option<usize>,
    log: &Log,
) -> Result<(Host, Claim), Status> {
    let refuse = |missing: libfaas::host::Missing| {
        Status::new(Code::FailedPrecondition, format!("--isolation: {missing}"))
    };
    let (mut settings, claim) = common.host.settings().map_err(refuse)?;
    settings.max_message_bytes = max_message_bytes.unwrap_or(settings.max_message_bytes);
    for missing in &claim.missing {
        log.put(&Record::new(Severity::Warn, missing.to_string()));
    }
    let mut options = common.host_options(settings, log);
    fault::options(&mut options);
    let host = Host::new(options).map_err(refuse)?;
    Ok((host, claim))
}

/// A manifest and the folder that it is in.
pub(crate) fn load(path: &Path) -> Result<(Manifest, PathBuf), Status> {
    if let Some(otherwise) = fault::load(path) {
        return otherwise;
    }
    let manifest = Manifest::from_path(path)
        .map_err(|error| Status::new(Code::FailedPrecondition, error.to_string()))?;
    Ok((manifest, folder(path)?))
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, Status> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    folder.canonicalize().map_err(|error| {
        let message = format!("the folder of {}: {error}", path.display());
        Status::new(Code::FailedPrecondition, message)
    })
}

/// Every function is drained; in haste once SIGTERM has come, or where nobody reads or writes any
/// more.
async fn finish(driver: &Driver, exit: &Exit, terminated: Option<&Mutex<Signal>>) {
    let in_haste = async {
        match terminated {
            _ if *exit != Exit::Done => {}
            Some(signal) => {
                signal.lock().await.recv().await;
            }
            None => std::future::pending().await,
        }
        tokio::time::sleep(HASTE).await;
    };
    tokio::select! {
        () = driver.shutdown() => {}
        () = in_haste => {}
    }
}

pub(crate) fn give_up(message: &str) -> ExitCode {
    say(&format!("faas-runtime: {message}"));
    ExitCode::from(Code::Internal.exit())
}
