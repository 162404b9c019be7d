//! Turns a CSV file into events: for each row an object in JSON, whose members are named by the header.

use std::collections::BTreeMap;
use std::process::ExitCode;

use libfaas::function::{Emitter, Function, result};
use libfaas::{Code, Data, Event, Status};

fn main() -> ExitCode {
    Function::new()
        .manifest(include_str!("../function.yaml"))
        .serve_many(rows)
}

fn rows(event: Event, out: &mut Emitter<'_>) -> Result<(), Status> {
    let file = event.data().map_or(&[][..], Data::as_bytes);
    let mut reader = csv::Reader::from_reader(file);
    for (number, row) in reader.deserialize::<BTreeMap<String, String>>().enumerate() {
        // The error names the line and what is wrong with it; rows before it were written already.
        let row = row.map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))?;
        out.emit(
            result("/rust-csv", "com.example.row.read")
                .subject((number + 1).to_string())
                .json(&row),
        )?;
    }
    Ok(())
}
