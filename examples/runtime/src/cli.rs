//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use libfaas::host::{HostOptions, LogSink, Retry, Scale, Settings};
use libfaas::{Encoding, Mode};

use crate::fault::{Faulty, Shim};
use crate::host_args::HostArgs;
use crate::log::{Form, Log, Record};
use crate::ps::PsArgs;
use crate::serve::ServeArgs;

/// The reference runtime of FSI, the FaaS Stdio Interface.
///
/// Runs functions from their manifests: on stdin and stdout, for a single event, joined by pipes, or
/// behind HTTP.
/// What functions write to stderr, and what the runtime has to say, goes to stderr.
#[derive(Debug, Parser)]
#[command(name = "faas-runtime", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a function, and is one itself: calls come on stdin and are answered on stdout
    ///
    /// It is started as any function is: FAAS_MODE says how it is spoken to, FAAS_ENCODING in which
    /// encoding, FAAS_CONCURRENCY how many calls it takes at once. With none of them set it reads
    /// events in JSON and writes results:
    ///
    ///   faas-runtime run function.yaml < events.jsonl
    ///
    /// In stream mode it is the driver by which the suite judges this runtime (spec/probe.md):
    ///
    ///   faas-conformance runtime -- faas-runtime run
    #[command(verbatim_doc_comment)]
    Run(Run),
    /// Calls a function with one event and prints the results, a JSON document a line.
    ///
    /// Exit status: 0 when the call ended OK, else that of its status (spec/status.md), whose code
    /// and message are on stderr.
    Invoke(Invoke),
    /// Runs several functions joined by pipes, as one function on stdin and stdout
    ///
    /// The same as a manifest with `pipeline:`. A stage is a manifest, or a command in quotes that
    /// speaks stream mode; events of one go to the next without passing through the runtime:
    ///
    ///   faas-runtime pipe clean/function.yaml 'python3 count.py' report/function.yaml
    #[command(verbatim_doc_comment)]
    Pipe(Pipe),
    /// Serves functions over HTTP and on schedules
    ///
    /// A function is called at /TENANT/NAME. Changed files make a new revision, and no call is lost
    /// over it:
    ///
    ///   faas-runtime serve examples/functions
    ///   curl -d 'the quick brown fox' http://127.0.0.1:8080/default/tr-uppercase
    #[command(verbatim_doc_comment)]
    Serve(Box<ServeArgs>),
    /// Shows the functions of a running `serve`.
    Ps(PsArgs),
    /// Stands between a host and a function, for `run --fault`.
    #[command(hide = true)]
    FaultShim(Shim),
}

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The function's manifest, function.yaml or function.json.
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// How it is run.
    #[command(flatten)]
    pub common: Common,
    /// What it does wrong.
    #[command(flatten)]
    pub faulty: Faulty,
}

/// Options of `invoke`.
#[derive(Args, Clone, Debug)]
pub struct Invoke {
    /// The function's manifest, function.yaml or function.json.
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// The event in CloudEvents' JSON format; `-` is stdin.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub event: PathBuf,
    /// The mode to use, of those in the manifest.
    #[arg(long, value_name = "MODE", value_parser = clap::builder::PossibleValuesParser::new(names(Mode::ALL, Mode::name)))]
    pub mode: Option<String>,
    /// The encoding to use, of those in the manifest.
    #[arg(long, value_name = "ENCODING", value_parser = clap::builder::PossibleValuesParser::new(names(Encoding::ALL, Encoding::name)))]
    pub encoding: Option<String>,
    /// How it is run.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `pipe`.
#[derive(Args, Clone, Debug)]
pub struct Pipe {
    /// The stages: manifests (`*.yaml`, `*.yml`, `*.json`), or commands.
    #[arg(value_name = "STAGE", required = true)]
    pub stages: Vec<String>,
    /// The encoding of the commands among the stages.
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = clap::builder::PossibleValuesParser::new(names(Encoding::ALL, Encoding::name)))]
    pub encoding: String,
    /// How many calls each of the commands among the stages takes at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// The commands among the stages take events in pieces (the feature `chunks`).
    #[arg(long)]
    pub chunks: bool,
    /// How it is run.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command that runs functions on stdio.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Whose function it is, where a call does not say. Default: FAAS_TENANT, or `default`.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Attempts at one call, where its status allows another one.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// The most instances at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_instances: u16,
    /// How the log looks.
    #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORM")]
    pub log: Form,
    /// Isolation and times.
    #[command(flatten)]
    pub host: HostArgs,
}

impl Common {
    /// Whose function it is, where a call does not say.
    pub fn tenant(&self) -> String {
        let set = || {
            std::env::var("FAAS_TENANT")
                .ok()
                .filter(|tenant| !tenant.is_empty())
        };
        self.tenant
            .clone()
            .or_else(set)
            .unwrap_or_else(|| "default".to_owned())
    }

    /// The options of a host with these settings, whose functions write to this log.
    pub fn host_options(&self, settings: Settings, log: &Log) -> HostOptions {
        let log = log.clone();
        HostOptions {
            settings,
            scale: Scale {
                max: self.max_instances.into(),
                ..Scale::default()
            },
            retry: Retry {
                attempts: self.attempts,
                ..Retry::default()
            },
            logs: Some(LogSink::new(move |line| log.put(&Record::from(line)))),
        }
    }
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|&one| name(one)).collect()
}
