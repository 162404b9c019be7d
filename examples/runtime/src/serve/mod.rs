//! `faas-runtime serve`: functions behind HTTP and schedules.
//!
//! [`http`] is the binding, [`gateway`] answers requests with it, [`catalog`] knows the functions,
//! which come from [`files`] and from the [`admin`] API.

pub mod account;
pub mod admin;
pub mod catalog;
pub mod changes;
pub mod connection;
pub mod cors;
pub mod endpoint;
pub mod files;
pub mod gateway;
pub mod http;
pub mod invoke;
pub mod layout;
pub mod metrics;
mod options;
pub mod route;
pub mod schedule;
pub mod token;

use std::future::pending;
use std::io::{self, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libfaas::host::{Host, HostOptions, LogSink, Missing, Scale};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

pub use options::{ADMIN, ServeArgs};

use admin::Admin;
use catalog::Catalog;
use changes::Changes;
use connection::{Address, Bounds, Listener};
use cors::Cors;
use files::Files;
use gateway::Gateway;
use http::Messages;
use metrics::Metrics;
use token::{Token, TokenError};

use crate::log::{Form, Log, Record, Severity, say};

/// Connections of administrators at once.
const ADMINS: usize = 32;
/// From the beginning of a connection to the end of a request's headers.
const HEADERS: Duration = Duration::from_secs(30);
/// How long a client may take none of an answer.
const STALLS: Duration = Duration::from_secs(30);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The machine does not allow the isolation that was asked for.
    #[error(transparent)]
    Isolation(#[from] Missing),
    /// No admin token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A file or folder that is not there.
    #[error("{path}: {source}")]
    Source {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An address that can't be listened on.
    #[error("can't listen on {address}: {source}; name another address with {option}")]
    Listen {
        /// As it was given.
        address: Address,
        /// The option that has it.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Files that can't be watched.
    #[error("can't watch the files of functions: {0}; serve them as they are with --no-watch")]
    Watch(#[from] notify::Error),
    /// Signals that can't be waited for.
    #[error("can't wait for signals: {0}")]
    Signals(io::Error),
    /// No threads to run on.
    #[error("can't start: {0}")]
    Runtime(io::Error),
}

/// Runs the command until it is told to end.
pub fn run(args: ServeArgs) -> ExitCode {
    let form = args.log.unwrap_or_else(Form::of_stderr);
    let log = Log::new(form, stderr());
    let outcome = Runtime::new()
        .map_err(ServeError::Runtime)
        .and_then(|runtime| {
            let served = runtime.block_on(serve(args, log.clone()));
            // Whatever still runs belongs to nobody any more.
            runtime.shutdown_background();
            served
        });
    log.close();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("faas-runtime: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT, then ends what was accepted and comes back. A second signal
/// ends the process at once.
///
/// # Errors
///
/// Why it could not begin.
pub async fn serve(args: ServeArgs, log: Log) -> Result<(), ServeError> {
    let (settings, claim) = args.host.settings()?;
    for missing in &claim.missing {
        log.put(&Record::new(Severity::Warn, missing.to_string()));
    }
    let roots = args.paths.iter().chain(&args.allow).map(|path| {
        let root = path.canonicalize().map_err(|source| ServeError::Source {
            path: path.clone(),
            source,
        })?;
        Ok(if root.is_dir() {
            root
        } else {
            files::folder(&root)
        })
    });
    let roots = roots.collect::<Result<Vec<_>, ServeError>>()?;
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let token = Token::load_or_make(args.admin_token_file.as_deref())?;
    let listener = listen(&args.listen, "--listen").await?;
    let admin_listener = listen(&args.admin, "--admin").await?;
    // Before the files are read, so that no change falls between.
    let changes = match args.no_watch {
        true => None,
        false => Some(Changes::new(&args.paths)?),
    };

    let functions = log.clone();
    let host = Host::new(HostOptions {
        settings,
        scale: Scale {
            min: args.min_instances,
            max: args.max_instances,
            idle: args.idle,
            queue: args.queue,
            ..Scale::default()
        },
        logs: Some(LogSink::new(move |line| functions.put(&Record::from(line)))),
        ..HostOptions::default()
    })?;
    let catalog = Catalog::new(host.clone(), log.clone(), Metrics::default());
    let (ready, is_ready) = watch::channel(false);
    let (stop, closing) = watch::channel(false);
    let (stop_admin, admin_closing) = watch::channel(false);

    let begins = Record::new(Severity::Info, "serves")
        .with("gateway", listener.address().to_string())
        .with("admin", admin_listener.address().to_string())
        .with("isolation", claim.name())
        .with("means", claim.means.0.as_str());
    let admin = Arc::new(Admin::new(
        Arc::clone(&catalog),
        token,
        roots,
        is_ready.clone(),
    ));
    let bounds = Bounds {
        connections: ADMINS,
        headers: HEADERS,
        stalls: STALLS,
    };
    let admins = tokio::spawn(admin_listener.serve(bounds, admin_closing, move |request| {
        let admin = Arc::clone(&admin);
        async move { admin.handle(request).await }
    }));

    let mut files = Files::new(args.paths, args.tenant);
    // Requests wait in the listener's queue until there are functions for them.
    let begun = tokio::select! {
        () = files.sync(&catalog) => true,
        () = signals.next() => false,
    };
    let following = tokio::spawn(follow(files, changes, Arc::clone(&catalog)));
    let messages = if args.show_messages {
        Messages::Shown
    } else {
        Messages::Private
    };
    let gateway = Gateway::new(
        Arc::clone(&catalog),
        Cors::new(args.cors_origin),
        messages,
        is_ready,
    );
    let gateway = Arc::new(gateway);
    let bounds = Bounds {
        connections: args.max_connections,
        headers: HEADERS,
        stalls: STALLS,
    };
    let mut gateway = tokio::spawn(listener.serve(bounds, closing, move |request| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.handle(request).await }
    }));
    if begun {
        ready.send_replace(true);
        log.put(&begins);
        signals.next().await;
    }

    log.put(&Record::new(
        Severity::Info,
        "ends: takes no new calls and finishes those it has",
    ));
    ready.send_replace(false);
    stop.send_replace(true);
    following.abort();
    catalog.stop();
    let ended = async {
        // A client that reads its answer byte by byte is waited for as long as a call may take.
        let attempt = args.host.timeout.saturating_add(args.host.cancel_grace);
        let longest = attempt.saturating_mul(host.options().retry.attempts);
        if timeout(longest.saturating_add(STALLS), &mut gateway)
            .await
            .is_err()
        {
            gateway.abort();
            log.put(&Record::new(
                Severity::Warn,
                "closed connections whose clients did not read",
            ));
        }
        host.shutdown().await;
        stop_admin.send_replace(true);
        // It has no panics of its own to tell of.
        let _ = admins.await;
    };
    tokio::select! {
        () = ended => log.put(&Record::new(Severity::Info, "ended")),
        () = signals.next() => log.put(&Record::new(Severity::Warn, "ended at once, on a second signal")),
    }
    Ok(())
}

async fn listen(address: &Address, option: &'static str) -> Result<Listener, ServeError> {
    let listener = Listener::bind(address).await;
    listener.map_err(|source| ServeError::Listen {
        address: address.clone(),
        option,
        source,
    })
}

/// Keeps the catalogue as the files are.
async fn follow(mut files: Files, changes: Option<Changes>, catalog: Arc<Catalog>) {
    let Some(mut changes) = changes else {
        return pending().await;
    };
    loop {
        changes.next().await;
        files.sync(&catalog).await;
    }
}

/// What asks for the end.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
