//! A payload in, events out.

use std::io::Write;

use faas_adapters::{Notice, Response};
use libfaas::encode_event;

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::{Source, files, surroundings};

pub(crate) fn run(cli: &Cli, source: Source) -> Result<(), Failure> {
    let delivery = surroundings::delivery(files::stdin()?, cli.delivery.as_deref())?;
    let outcome = source
        .of(&delivery)
        .and_then(|adapter| adapter.events(&delivery))
        .map_err(|error| Failure::mapping(&error, cli.delivery.is_some()))?;
    let mut out = Vec::new();
    for event in &outcome.events {
        encode_event(event, cli.encoding, &mut out);
    }
    exit::print(&out)?;
    if let Some(notice) = &outcome.notice {
        let _ = writeln!(std::io::stderr(), "faas-adapt: {}", say(notice));
    }
    Ok(())
}

/// What a notice is, and what has to be done about it.
pub(crate) fn say(notice: &Notice) -> String {
    let required = match &notice.reply {
        None => "nothing has to go back".to_owned(),
        Some(Response::Visit(url)) => format!("GET {url}"),
        Some(_) => "--reply has what must go back".to_owned(),
    };
    one_line(format!("{}; {required}", name(notice)))
}

/// What a notice is.
pub(crate) fn name(notice: &Notice) -> String {
    one_line(format!("{}: {}", notice.kind.name(), notice.what))
}

/// Whatever the vendor's own text holds.
fn one_line(text: String) -> String {
    text.replace(char::is_control, " ")
}
