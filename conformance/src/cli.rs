//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use libfaas::{Encoding, Mode};

use crate::report::Format;

/// Judges functions, libraries, codecs, runtimes and adapters by the FSI specification, rule by rule.
///
/// Exit status: 0 conforming, 1 not, 2 could not judge, 64 usage.
#[derive(Debug, Parser)]
#[command(name = "faas-conformance", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judges any function by its stdio.
    ///
    /// With a manifest:      faas-conformance function --manifest function.yaml
    /// Without:              faas-conformance function --mode binary --sample event.json -- tr a-z A-Z
    #[command(verbatim_doc_comment)]
    Function(Judge),
    /// Judges a library by the probe that was written with it (spec/probe.md).
    Sdk(Judge),
    /// Judges a runtime by its driver (spec/probe.md, "The driver").
    ///
    /// A driver is a program that takes the path of a manifest as its last argument, has the runtime
    /// run that function, and passes calls on: it is a function in stream mode and JSON itself.
    /// What the runtime claims stands in the driver's hello, or is said with --claim.
    ///
    /// The reference runtime: faas-conformance runtime -- faas-runtime run
    /// Only one profile:      faas-conformance runtime --profile isolation/I2 -- faas-runtime run
    /// One over HTTP:         examples/drivers/README.md has a driver and the command line
    #[command(verbatim_doc_comment)]
    Runtime(Runtime),
    /// Judges an implementation of the encodings by the test vectors (spec/probe.md, "A codec").
    Codec(Codec),
    /// Judges an adapter for vendors' events by the fixtures of adapters/ (spec/probe.md, "An adapter").
    ///
    /// The crate's own:     faas-conformance adapter -- faas-adapt {source}
    /// One source:          faas-conformance adapter --source aws.s3 -- ./s3-adapter
    /// A vendor of yours:   faas-conformance adapter --fixtures DIR -- python3 registry.py
    #[command(verbatim_doc_comment)]
    Adapter(Adapter),
    /// Measures a function or a runtime beside the limit that the same run finds.
    ///
    /// No verdict: what answers wrongly is refused. Exit status: 0 measured, 2 could not measure, 64 usage.
    Bench {
        /// What is measured.
        #[command(subcommand)]
        subject: Bench,
    },
    /// Lists the rules, their cases, and what is not tested, with the reasons.
    List(List),
    /// Shows a rule with its cases, or a case with its rules, steps and faults.
    Explain {
        /// A rule's or a case's identifier, such as `stream-end-once`.
        id: String,
    },
    /// Renders a report that was written with `--report` or `--format json`.
    Report {
        /// The JSON report.
        file: PathBuf,
        /// The format.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

/// Options of `function` and `sdk`.
#[derive(Debug, Args)]
pub struct Judge {
    /// What is judged.
    #[command(flatten)]
    pub claimed: Claimed,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
}

/// A function, and what it is claimed to do.
#[derive(Debug, Args)]
pub struct Claimed {
    /// The function's manifest; the command may then be left out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mode", "encoding", "feature", "concurrency"])]
    pub manifest: Option<PathBuf>,
    /// Without a manifest: a mode that the function has (repeat for several).
    #[arg(long, value_name = "MODE", value_parser = mode())]
    pub mode: Vec<Mode>,
    /// Without a manifest: an encoding that the function has (repeat for several).
    #[arg(long, value_name = "ENCODING", value_parser = encoding())]
    pub encoding: Vec<Encoding>,
    /// An event, as CloudEvents JSON, that the function takes.
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Without a manifest: how many calls it takes at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub concurrency: Option<u32>,
    /// Without a manifest: a feature that it has, such as `chunks`.
    #[arg(long, value_name = "FEATURE")]
    pub feature: Vec<String>,
    /// The subject's program and its arguments, started in the current folder.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Options of `codec`.
#[derive(Debug, Args)]
pub struct Codec {
    /// An encoding to judge; all if none is named.
    #[arg(long, value_name = "ENCODING", value_parser = encoding())]
    pub encoding: Vec<Encoding>,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
    /// The codec's program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Options of `adapter`.
#[derive(Debug, Args)]
pub struct Adapter {
    /// A source to judge, such as `aws.s3`; all if none is named (repeat for several).
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
    /// Fixtures of another folder, in the form of adapters/README.md.
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
    /// The adapter's program and its arguments; `{source}` is filled in, `--delivery FILE` and such are added.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Options of `runtime`.
#[derive(Debug, Args)]
pub struct Runtime {
    /// A profile that the runtime claims and its driver can't state (repeat for several).
    #[arg(long, value_name = "PROFILE", value_parser = PossibleValuesParser::new(crate::runtime::PROFILES))]
    pub claim: Vec<String>,
    /// Where functions take HTTP requests; `{tenant}` and `{function}` are filled in.
    #[arg(long, value_name = "URL")]
    pub http: Option<String>,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
    /// The driver's program and its arguments; the suite adds the path of a manifest.
    #[arg(last = true, required = true, value_name = "DRIVER")]
    pub command: Vec<String>,
}

/// Options of every judgement.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The report on stdout; findings for people are on stderr in any case.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Also shows each case that passes, with the rules that it tests.
    #[arg(long, short)]
    pub verbose: bool,
    /// Only these cases: a name of a case or rule, a part of one, or a glob (repeatable).
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
    /// Not these cases.
    #[arg(long, value_name = "PATTERN")]
    pub skip: Vec<String>,
    /// Only the cases of these profiles, such as `stream/json` or `cancel`.
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,
    /// Cases that are known to fail, a line each; one that passes is reported.
    #[arg(long, value_name = "FILE")]
    pub known_failing: Option<PathBuf>,
    /// Cases at once; as many as the machine has processors if absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Multiplies every time-out: above 1 for slow machines or slow subjects.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    pub timeout_scale: f64,
    /// Where the run's identifiers and sizes come from; the same seed repeats them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=9_007_199_254_740_991))]
    pub seed: Option<u64>,
    /// Also writes the JSON report to this file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Takes the cases from this folder instead of the built-in ones (for writing cases).
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Measures any function by its stdio.
    ///
    /// In stream mode: its start, calls one at a time and several in flight, its memory. In the
    /// other modes: a process for each event. Beside each figure stands what a program does that
    /// only sends back the bytes, started and spoken to in the same way, in turns with the function.
    ///
    /// Events are of 64 B, 1 KiB, 64 KiB and 1 MiB of text, or the function's own sample where there
    /// is one; what it answers with an error is said and left out.
    ///
    /// With a manifest:      faas-conformance bench function --manifest function.yaml
    /// Without:              faas-conformance bench function --mode stream --encoding json -- ./echo
    /// Its own event:        faas-conformance bench function --sample event.json --mode binary -- tr a-z A-Z
    /// Only calls, as JSON:  faas-conformance bench function --only call --json --manifest function.yaml
    /// On one core:          taskset -c 1 faas-conformance bench function --manifest function.yaml
    #[command(verbatim_doc_comment)]
    Function(BenchFunction),
    /// Measures a runtime by its driver (spec/probe.md, "The driver").
    ///
    /// The runtime is given a function that sends back its event. Beside what comes through the
    /// driver stands the same function alone, spoken to without a runtime.
    ///
    /// The reference runtime:  faas-conformance bench runtime -- faas-runtime run
    /// Isolated:               faas-conformance bench runtime -- faas-runtime run --isolation I2
    #[command(verbatim_doc_comment)]
    Runtime(BenchRuntime),
}

/// Options of `bench function`.
#[derive(Debug, Args)]
pub struct BenchFunction {
    /// What is measured.
    #[command(flatten)]
    pub claimed: Claimed,
    /// Also events of 64 B to 1 MiB where there is a sample.
    #[arg(long)]
    pub sizes: bool,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureOptions,
}

/// Options of `bench runtime`.
#[derive(Debug, Args)]
pub struct BenchRuntime {
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureOptions,
    /// The driver's program and its arguments; the suite adds the path of a manifest.
    #[arg(last = true, required = true, value_name = "DRIVER")]
    pub command: Vec<String>,
}

/// Options of every measurement.
#[derive(Debug, Args)]
pub struct MeasureOptions {
    /// The figures as JSON instead of a table (conformance/src/bench/README.md).
    #[arg(long)]
    pub json: bool,
    /// About how long to measure, in all; more where starts or answers are slow.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// Only rows with this in their name, such as `call`, `rate` or `stream/json` (repeatable).
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// How long to wait for one answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0, value_parser = seconds)]
    pub timeout: f64,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only rules and cases whose name, page or role contains this.
    pub pattern: Option<String>,
    /// Takes the cases from this folder instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
}

fn mode() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(Mode::ALL.iter().map(|m| m.name()))
        .map(|name| name.parse().expect("a possible value"))
}

fn encoding() -> impl TypedValueParser<Value = Encoding> {
    PossibleValuesParser::new(Encoding::ALL.iter().map(|e| e.name()))
        .map(|name| name.parse().expect("a possible value"))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds, between 0.01 and 3600".to_owned()),
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && (0.01..=1000.0).contains(&factor) => Ok(factor),
        _ => Err("a factor between 0.01 and 1000".to_owned()),
    }
}
