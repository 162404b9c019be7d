//! Answers in, the vendor's response out.

use data_encoding::BASE64;
use faas_adapters::{Kind, Response};

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::{Source, answers, files, surroundings};

pub(crate) fn run(cli: &Cli, source: Source) -> Result<(), Failure> {
    let Some(payload) = &cli.payload else {
        return Err(Failure::usage("--reply wants --payload FILE"));
    };
    let delivery = surroundings::delivery(files::file(payload)?, cli.delivery.as_deref())?;
    let adapter = source.of(&delivery)?;
    let outcome = adapter.events(&delivery)?;
    let required = outcome
        .notice
        .as_ref()
        .and_then(|notice| notice.reply.as_ref());
    if let Some(required) = required {
        exit::print(line(required).as_bytes())?;
    }
    if outcome.events.is_empty() && outcome.notice.is_some() {
        return Ok(());
    }
    let (answers, unreadable) = answers::read(&files::stdin()?, cli, outcome.events.len());
    match adapter.reply(&delivery, &answers) {
        Ok(response) => exit::print(line(&response).as_bytes())?,
        // The handshake's reply was all that goes back.
        Err(error) if error.kind() == Kind::NoReply && required.is_some() => {}
        Err(error) => return Err(error.into()),
    }
    match unreadable {
        None => Ok(()),
        Some(fault) => Err(Failure::data(format!(
            "{fault}; every event was reported as failed"
        ))),
    }
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
