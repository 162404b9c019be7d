//! Answers in, the vendor's response out.

use std::io::{self, Write};

use data_encoding::BASE64;
use faas_adapters::{Answer, Delivery, Kind, Response};
use libfaas::Event;

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::{Source, answers, files, filter, surroundings};

pub(crate) fn run(cli: &Cli, source: Source) -> Result<(), Failure> {
    let Some(payload) = &cli.payload else {
        return Err(Failure::usage("--reply wants --payload FILE"));
    };
    let delivery = surroundings::delivery(files::file(payload)?, cli.delivery.as_deref())?;
    answer(cli, source, &delivery, |events| match files::stdin() {
        Ok(stdin) => answers::read(&stdin, cli, events.len()),
        Err(failure) => (Vec::new(), Some(failure)),
    })
}

/// Writes what goes back for a delivery. What the events led to is asked for only if there are any;
/// no answers are definite if there was a failure.
pub(crate) fn answer(
    cli: &Cli,
    source: Source,
    delivery: &Delivery,
    answers: impl FnOnce(&[Event]) -> (Vec<Answer>, Option<Failure>),
) -> Result<(), Failure> {
    let failure = |error| Failure::mapping(&error, cli.delivery.is_some());
    let adapter = source.of(delivery).map_err(failure)?;
    let outcome = adapter.events(delivery).map_err(failure)?;
    if let Some(notice) = &outcome.notice {
        let _ = writeln!(io::stderr(), "faas-adapt: {}", filter::name(notice));
        if let Some(required) = &notice.reply {
            exit::print(line(required).as_bytes())?;
        }
        if outcome.events.is_empty() {
            return Ok(());
        }
    }
    // Before anything is done about the events.
    match adapter.reply(delivery, &[]) {
        Err(error) if error.kind() == Kind::NoReply => return Err(failure(error)),
        _ => {}
    }
    let (answers, fault) = answers(&outcome.events);
    let response = adapter.reply(delivery, &answers).map_err(failure)?;
    exit::print(line(&response).as_bytes())?;
    fault.map_or(Ok(()), Err)
}

/// What an invocation returns is written as it is; an HTTP response as an object with `status`,
/// `headers`, and `body` or `body_base64`; a URL that has to be visited as an object with `visit`.
fn line(response: &Response) -> String {
    let object = match response {
        Response::Value(json) => return format!("{}\n", json.as_str().replace(['\n', '\r'], " ")),
        Response::Visit(url) => serde_json::json!({ "visit": url }),
        Response::Http {
            status,
            headers,
            body,
        } => {
            let headers: serde_json::Map<_, _> = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            match std::str::from_utf8(body) {
                Ok(text) => {
                    serde_json::json!({ "status": status, "headers": headers, "body": text })
                }
                Err(_) => {
                    let base64 = BASE64.encode(body);
                    serde_json::json!({ "status": status, "headers": headers, "body_base64": base64 })
                }
            }
        }
    };
    format!("{object}\n")
}
