//! The faulty reference runtime: `run --fault NAME` is `run` with one defect, which proves the cases
//! of `faas-conformance runtime` that name it.
//!
//! The runtime itself has no defects to choose from. What is wrong is done around it, in the
//! simplest of these places:
//!
//! - between the driver's stdio, or its HTTP endpoint, and whoever talks to it (`Does::Driver`): the right driver runs as a child;
//! - in what the host is configured with (`Does::Measures`, `Does::Options`), or in the manifest
//!   that it reads (`Does::Text`, `Does::Manifest`);
//! - around each process of the function (`Does::Command`, `Does::Function`), which the host
//!   starts as `faas-runtime fault-shim NAME … -- COMMAND`.

mod driver;
mod function;
mod http;
mod manifest;
mod measures;
mod outer;
mod process;
mod settings;
mod shim;
mod wire;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use clap::Args;
use libfaas::host::{HostOptions, Level, Measure};
use libfaas::{Manifest, Status};
use serde_json::Value;

use crate::cli::Run;
use crate::serve::http::Messages;
use shim::Place;
use wire::Wiring;

/// A way in which this runtime can misbehave. The suite's list says what each one is
/// (`faas_conformance::fault::RUNTIME`).
#[derive(Clone, Copy)]
pub struct Fault {
    /// What `--fault` takes.
    pub name: &'static str,
    /// The level of isolation at which it shows.
    pub level: Level,
    does: &'static [Does],
}

/// What is done wrong, and where.
#[derive(Clone, Copy)]
enum Does {
    /// What a sandbox leaves out.
    Measures(&'static [Measure]),
    /// What the host is configured with; what it claims stays.
    Options(fn(&mut HostOptions)),
    /// The text of the manifest, before it is read.
    Text(fn(&str) -> String),
    /// The manifest, before it is read. The path is its file's.
    Manifest(fn(&mut Value, &Path) -> Result<(), Status>),
    /// How a process of the function is started.
    Command(fn(&mut Command, &Place)),
    /// What stands between a process of the function and its host.
    Function(&'static Wiring),
    /// What stands between the driver and its caller.
    Driver(&'static Wiring),
    /// What stands between the driver's HTTP endpoint and its clients.
    Http(&'static http::Proxy),
    /// The endpoint shows the messages of failures.
    Messages,
    /// What a sandbox leaves out where the manifest's first mode is one for one invocation.
    OneShotMeasures(&'static [Measure]),
}

const fn fault(name: &'static str, does: &'static [Does]) -> Fault {
    let level = Level::None;
    Fault { name, level, does }
}

const fn hygiene(name: &'static str, does: &'static [Does]) -> Fault {
    let level = Level::Hygiene;
    Fault { name, level, does }
}

const fn multi_tenant(name: &'static str, does: &'static [Does]) -> Fault {
    let level = Level::MultiTenant;
    Fault { name, level, does }
}

/// Every fault, by where it is done.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [
        measures::FAULTS,
        settings::FAULTS,
        manifest::FAULTS,
        process::FAULTS,
        function::FAULTS,
        driver::FAULTS,
        http::FAULTS,
    ]
    .into_iter()
    .flatten()
}

/// The fault of this process, if it has one.
static ACTIVE: OnceLock<&'static Fault> = OnceLock::new();

fn active() -> impl Iterator<Item = Does> {
    ACTIVE
        .get()
        .into_iter()
        .flat_map(|fault| fault.does)
        .copied()
}

/// The options of `run` that nobody is shown.
#[derive(Args, Clone, Debug, Default)]
pub struct Faulty {
    /// The defect.
    #[arg(long, hide = true, value_name = "NAME", value_parser = known)]
    fault: Option<String>,
    /// Whether this is the driver behind a faulty one.
    #[arg(long, hide = true, requires = "fault")]
    behind: bool,
}

fn known(name: &str) -> Result<String, String> {
    match named(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err("expected the name of a fault (conformance/src/fault.rs)".to_owned()),
    }
}

fn named(name: &str) -> Option<&'static Fault> {
    all().find(|fault| fault.name == name)
}

/// Makes the fault of the command line this process's own. Gives an exit status where a right
/// runtime is run by this process instead of being it.
pub(crate) fn begin(run: &Run) -> Option<ExitCode> {
    let fault = named(run.faulty.fault.as_deref()?)?;
    ACTIVE.get_or_init(|| fault);
    let wiring = active().find_map(|does| match does {
        Does::Driver(wiring) => Some(wiring),
        Does::Http(_) => Some(&http::WIRING),
        _ => None,
    });
    let wiring = wiring.filter(|_| !run.faulty.behind)?;
    Some(outer::run(wiring))
}

/// What the host is configured with.
pub(crate) fn options(options: &mut HostOptions) {
    for does in active() {
        match does {
            Does::OneShotMeasures(_) if !manifest::is_one_shot() => {}
            Does::Measures(measures) | Does::OneShotMeasures(measures) => {
                for &measure in measures {
                    let settings = &mut options.settings;
                    settings.measures = settings.measures.without(measure);
                }
            }
            Does::Options(change) => change(options),
            _ => {}
        }
    }
}

/// The manifest as a faulty runtime reads it; None where this one reads it as it should.
pub(crate) fn load(path: &Path) -> Option<Result<(Manifest, PathBuf), Status>> {
    ACTIVE.get().map(|fault| manifest::load(fault, path))
}

/// Who sees the messages of failures at the driver's HTTP endpoint.
pub(crate) fn messages() -> Messages {
    match active().any(|does| matches!(does, Does::Messages)) {
        true => Messages::Shown,
        false => Messages::Private,
    }
}

/// Options of the program between a host and a function.
#[derive(Args, Clone, Debug)]
pub struct Shim {
    #[arg(value_parser = known)]
    name: String,
    /// Which stage of the pipeline this is, and how many there are.
    stage: usize,
    stages: usize,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Starts a function's command, and stands between it and its host where the fault asks for it.
pub fn shim(args: &Shim) -> ExitCode {
    match named(&args.name) {
        Some(fault) => shim::run(fault, args),
        None => ExitCode::from(64),
    }
}
