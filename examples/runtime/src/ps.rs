//! `faas-runtime ps`: what a running `serve` has to say of its functions.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;

use crate::log::say;
use crate::serve::connection::Address;
use crate::serve::token::{Token, TokenError};

/// Shows the functions of a running `serve`.
#[derive(Args, Clone, Debug)]
pub struct PsArgs {
    /// Where its admin API listens: HOST:PORT, or unix:PATH.
    #[arg(long, default_value = crate::serve::ADMIN, value_name = "ADDRESS")]
    pub admin: Address,
    /// The file with the token of the admin API, if it is not where `serve` puts it.
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// As JSON, with all that is known.
    #[arg(long)]
    pub json: bool,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PsError {
    /// No token to show.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody there.
    #[error(
        "no admin API on {address}: {source}; start `faas-runtime serve`, or name its address with --admin"
    )]
    Unreachable {
        /// Where it was looked for.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// No thread to run on.
    #[error("can't start: {0}")]
    Runtime(io::Error),
    /// Somebody there who is no admin API, or does not like the token.
    #[error("the admin API on {address} answered {answer}")]
    Answer {
        /// Where it was asked.
        address: Address,
        /// The status, or what is wrong with the answer.
        answer: String,
    },
}

/// Bytes of an answer.
const ANSWER: usize = 64 << 20;

/// Runs the command.
pub fn run(args: &PsArgs) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build();
    match runtime
        .map_err(PsError::Runtime)
        .and_then(|runtime| runtime.block_on(ps(args)))
    {
        Ok(text) => {
            let mut stdout = io::stdout().lock();
            let written = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush());
            match written {
                // Who reads no more has seen enough.
                Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => {
                    say(&format!("faas-runtime: writing to stdout: {fault}"));
                    ExitCode::FAILURE
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(fault) => {
            say(&format!("faas-runtime: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// The text to show.
///
/// # Errors
///
/// No token, no answer, or one that says no.
pub async fn ps(args: &PsArgs) -> Result<String, PsError> {
    let token = Token::load(args.admin_token_file.as_deref())?;
    let text = get(&args.admin, "/functions", &token).await?;
    if args.json {
        return Ok(text);
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(functions) = answer["functions"].as_array() else {
        return Err(PsError::Answer {
            address: args.admin.clone(),
            answer: "something that is no list of functions".to_owned(),
        });
    };
    Ok(table(functions))
}

async fn get(address: &Address, path: &str, token: &Token) -> Result<String, PsError> {
    let unreachable = |source| PsError::Unreachable {
        address: address.clone(),
        source,
    };
    match address {
        Address::Tcp(to) => {
            ask(
                TcpStream::connect(to).await.map_err(unreachable)?,
                address,
                path,
                token,
            )
            .await
        }
        Address::Unix(to) => {
            ask(
                UnixStream::connect(to).await.map_err(unreachable)?,
                address,
                path,
                token,
            )
            .await
        }
    }
}

async fn ask<S>(stream: S, address: &Address, path: &str, token: &Token) -> Result<String, PsError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let wrong = |answer: String| PsError::Answer {
        address: address.clone(),
        answer,
    };
    let (mut sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|fault| wrong(fault.to_string()))?;
    // It ends with the answer, which says more of what went wrong than it does.
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, "faas-runtime")
        .header(AUTHORIZATION, token.header())
        .body(Empty::<Bytes>::new())
        .map_err(|fault| wrong(fault.to_string()))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|fault| wrong(fault.to_string()))?;
    let status = response.status();
    if status != StatusCode::OK {
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; is this the token that it was started with?",
            _ => "",
        };
        return Err(wrong(format!("{status}{hint}")));
    }
    let body = Limited::new(response.into_body(), ANSWER).collect().await;
    let body = body.map_err(|fault| wrong(fault.to_string()))?.to_bytes();
    connection.abort();
    String::from_utf8(body.into()).map_err(|fault| wrong(fault.to_string()))
}

/// A line for each function, in columns.
fn table(functions: &[Value]) -> String {
    const COLUMNS: [&str; 7] = [
        "tenant",
        "function",
        "revision",
        "state",
        "instances",
        "open",
        "queued",
    ];
    let cell = |function: &Value, column: &str| match &function[column] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut rows = vec![COLUMNS.map(str::to_uppercase)];
    rows.extend(
        functions
            .iter()
            .map(|function| COLUMNS.map(|column| cell(function, column))),
    );
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].len())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up() {
        let function = |name: &str, open| {
            json!({"tenant": "acme", "function": name, "revision": "1-1", "state": "ready",
                   "instances": 2, "open": open, "queued": 0})
        };
        let text = table(&[function("thumbnail", 10), function("x", 1)]);
        assert_eq!(
            text,
            "TENANT  FUNCTION   REVISION  STATE  INSTANCES  OPEN  QUEUED\n\
             acme    thumbnail  1-1       ready  2          10    0\n\
             acme    x          1-1       ready  2          1     0\n"
        );
    }
}
