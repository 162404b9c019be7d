//! An FSI function: the data of an event is a payload, its events are the results.

use std::process::ExitCode;

use bytes::Bytes;
use faas_adapters::{Delivery, Error};
use libfaas::function::{Call, Function, Severity};
use libfaas::{Code, Data, Event, Status};

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::{Source, files, filter, surroundings};

const MANIFEST: &str = include_str!("../../../function.yaml");

/// The name under which a platform passes a delivery's description on, in the call's context.
const DESCRIPTION: &str = "DELIVERY";

pub(crate) fn serve(cli: Cli, source: Source) -> Result<ExitCode, Failure> {
    if cli.reply || !cli.command.is_empty() {
        let message = "--reply and a command are for the filter, not for FAAS_MODE";
        return Err(Failure::usage(message));
    }
    // Whoever reads data alone gets the payload that it had.
    if std::env::var_os("FAAS_MODE").is_some_and(|mode| mode == "binary") {
        return Err(Failure {
            exit: exit::CONFIG,
            message: "FAAS_MODE: expected structured, stream or describe, got binary, in which an event has only data"
                .to_owned(),
        });
    }
    let description = cli.delivery.as_deref().map(files::file).transpose()?;
    let function = Function::new()
        .manifest(MANIFEST)
        .producer(concat!("faas-adapt/", env!("CARGO_PKG_VERSION")));
    Ok(function.serve_calls(move |call| {
        while let Some(event) = call.next_event()? {
            let delivery = delivery(call, &event, description.as_deref()).map_err(status)?;
            let outcome = source
                .of(&delivery)
                .and_then(|adapter| adapter.events(&delivery));
            let outcome = outcome.map_err(status)?;
            if let Some(notice) = &outcome.notice {
                call.log(Severity::Info, &filter::say(notice));
            }
            for event in outcome.events {
                call.emit(event)?;
            }
        }
        Ok(())
    }))
}

/// What the input says of itself comes first, then the command line, then the platform. An attempt
/// that is repeated makes the same events: their time and identifiers are the input's.
fn delivery(call: &Call, event: &Event, description: Option<&[u8]>) -> Result<Delivery, Error> {
    let payload = match event.data() {
        Some(Data::Binary(bytes)) => bytes.clone(),
        Some(data) => Bytes::copy_from_slice(data.as_bytes()),
        None => Bytes::new(),
    };
    let now = event.time().cloned().unwrap_or_else(surroundings::now);
    let mut delivery = Delivery::new(payload, now, event.id());
    delivery.content_type = event.datacontenttype().map(str::to_owned);
    if let Some(description) = description {
        delivery.describe(description)?;
    }
    if let Some(description) = call.context().extra.get(DESCRIPTION) {
        delivery.describe(description.as_bytes())?;
    }
    Ok(delivery)
}

fn status(error: Error) -> Status {
    Status::new(Code::InvalidArgument, error.to_string())
        .detail("pointer", error.pointer())
        .detail("expected", error.expected())
        .detail("found", error.found())
}
