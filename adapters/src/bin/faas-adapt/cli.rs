//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use libfaas::{Code, Encoding};

/// Turns what a vendor delivered into CloudEvents, and answers into what the vendor expects.
///
/// One way:    faas-adapt aws.s3 < notification.json | ./function
/// Both ways:  faas-adapt aws.apigateway-v2 -- ./function < request.json > response.json
///
/// Reads one payload from stdin and writes its events to stdout; given a command, starts it with the
/// events on its stdin, and writes what the vendor expects back. What is no event (a handshake, a
/// test message) is said on stderr. Under FAAS_MODE it is an FSI function: an event's data is the
/// payload.
///
/// Exit status: 0 done, 64 usage, 65 the payload can't be mapped, 66 a file can't be read or the
/// command not be started, 74 I/O.
#[derive(Debug, Parser)]
#[command(
    name = "faas-adapt",
    version,
    verbatim_doc_comment,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// A source such as `aws.s3`; or `auto` (find out), `list` (all sources), `explain NAME` (a mapping's table).
    pub(crate) source: String,

    /// With `explain`: the source.
    #[arg(hide = true)]
    pub(crate) name: Option<String>,

    /// How the payload came, as JSON: transport, method, path, query, headers, contentType, config, now, id.
    #[arg(long, value_name = "FILE")]
    pub(crate) delivery: Option<PathBuf>,

    /// Both ways at once: a function in structured mode, and its arguments. How it ends is how every
    /// event ended.
    #[arg(last = true, conflicts_with_all = ["name", "reply"])]
    pub(crate) command: Vec<String>,

    /// The other way: reads what the function answered and writes what the vendor expects.
    ///
    /// stdin has the results, as events or as an FSI stream in JSON whose call N is the Nth event of
    /// the payload. An event without a definite OK is reported as failed.
    #[arg(long, requires = "payload")]
    pub(crate) reply: bool,

    /// With --reply: the payload that is answered.
    #[arg(long, value_name = "FILE", requires = "reply")]
    pub(crate) payload: Option<PathBuf>,

    /// With --reply and events on stdin: how the invocation ended, such as OK or UNAVAILABLE.
    #[arg(long, value_name = "CODE", requires = "reply", value_parser = code(), conflicts_with = "exit_status")]
    pub(crate) status: Option<Code>,

    /// With --reply and events on stdin: the exit status of the function, as `$?` has it.
    #[arg(long, value_name = "NUMBER", requires = "reply")]
    pub(crate) exit_status: Option<i32>,

    /// How events are written, or read with --reply; with a command, both.
    #[arg(long, default_value = "json", value_parser = encoding())]
    pub(crate) encoding: Encoding,
}

fn encoding() -> impl TypedValueParser<Value = Encoding> {
    let names = Encoding::ALL.iter().map(|encoding| encoding.name());
    PossibleValuesParser::new(names).map(|name| name.parse().expect("only names are possible"))
}

fn code() -> impl TypedValueParser<Value = Code> {
    let names = Code::ALL.iter().map(|code| code.name());
    PossibleValuesParser::new(names).map(|name| Code::from_name(&name))
}
