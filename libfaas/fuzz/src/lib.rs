//! What must hold for every input, whatever it is: one function for each kind of input.

mod crossing;
mod environment;
mod function;
mod log;
mod manifest;
mod outcome;
mod relay;
mod session;
mod streams;
mod view;

use libfaas::Encoding::{Capnp, Json, Protobuf};
use libfaas::Limits;

/// Their names, and what is done with the bytes.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("crossing", crossing::crossing),
    ("environment", environment::environment),
    ("events_capnp", |bytes| streams::event_stream(Capnp, bytes)),
    ("events_json", |bytes| streams::event_stream(Json, bytes)),
    ("events_protobuf", |bytes| {
        streams::event_stream(Protobuf, bytes)
    }),
    ("function", function::function),
    ("log", log::log),
    ("manifest", manifest::manifest),
    ("messages_capnp", |bytes| {
        streams::message_stream(Capnp, bytes)
    }),
    ("messages_json", |bytes| {
        streams::message_stream(Json, bytes)
    }),
    ("messages_protobuf", |bytes| {
        streams::message_stream(Protobuf, bytes)
    }),
    ("outcome", outcome::outcome),
    ("pair", libfaas::model::play),
    ("relay", relay::relay),
    ("session", session::session),
    ("view", view::view),
];

/// Small limits, so that short inputs reach them.
pub fn limits() -> Limits {
    Limits {
        max_message_bytes: 4096,
        ..Limits::default()
    }
}

/// The pieces between the cuts, then None for the end.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<Option<&'a [u8]>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let mut pieces: Vec<_> = starts
        .zip(ends)
        .map(|(from, to)| Some(&bytes[from..to]))
        .collect();
    pieces.push(None);
    pieces
}
