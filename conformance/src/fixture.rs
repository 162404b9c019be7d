//! The fixtures of adapters/, as cases for an adapter.

mod case;
mod runs;
mod shows;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::document;
use crate::embedded;
use crate::error::{Error, Result};
use crate::select::Named;
use case::Files;
pub use runs::Run;

/// A delivery, and one thing that an adapter has to make of it.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// `SOURCE/CASE`, and for what goes back `/` and the name of its file.
    pub id: String,
    /// The source, such as `aws.s3`; empty for fixtures that are not below a vendor and an event.
    pub source: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// How it came, as the adapter gets it.
    pub delivery: String,
    /// What is asked, and what is right.
    pub truth: Truth,
    /// The rules that it tests.
    pub rules: Vec<String>,
}

/// What is right.
#[derive(Clone, Debug)]
pub enum Truth {
    /// These events.
    Events {
        /// The documents, whose data may be `{"$input": POINTER}`.
        events: Vec<String>,
        /// What kind of thing the delivery is too, or instead: `handshake`, `test` or `progress`.
        notice: Option<String>,
    },
    /// No event.
    Refused {
        /// `payload`, `delivery` or `not-an-event`.
        kind: String,
        /// The place in the payload or the delivery, a JSON Pointer.
        pointer: String,
    },
    /// Something goes back.
    Reply {
        /// The answers as an FSI stream in JSON, for stdin; empty if only a handshake is answered.
        answers: String,
        /// Each `{"value": …}`, `{"http": …}` or `{"visit": …}`: what a handshake requires, then the reply.
        responses: Vec<String>,
        /// Whether each event has one answer, which is OK.
        ok: bool,
    },
}

/// The fixtures that the binary carries.
pub fn fixtures() -> Result<Vec<Fixture>> {
    let files = embedded::FIXTURES.iter();
    read(files.map(|(path, bytes)| ((*path).to_owned(), Cow::Borrowed(*bytes))))
}

/// Those of one source.
pub fn of_source(source: &str) -> Result<Vec<Fixture>> {
    let folder = format!("{}/", source.replace('.', "/"));
    let files = embedded::FIXTURES
        .iter()
        .filter(|(path, _)| path.starts_with(&folder));
    read(files.map(|(path, bytes)| ((*path).to_owned(), Cow::Borrowed(*bytes))))
}

/// The fixtures of a folder.
pub fn of_folder(folder: &Path) -> Result<Vec<Fixture>> {
    let mut files = Vec::new();
    collect(folder, "", &mut files).map_err(|e| {
        Error::usage(
            format!("{} can't be read: {e}", folder.display()),
            "name a folder of fixtures, such as adapters/fixtures",
        )
    })?;
    files.sort();
    read(
        files
            .into_iter()
            .map(|(path, bytes)| (path, Cow::Owned(bytes))),
    )
}

fn collect(folder: &Path, name: &str, files: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let below = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), &below, files)?,
            false => files.push((
                below.trim_start_matches('/').to_owned(),
                fs::read(entry.path())?,
            )),
        }
    }
    Ok(())
}

fn read<'a>(files: impl Iterator<Item = (String, Cow<'a, [u8]>)>) -> Result<Vec<Fixture>> {
    let mut cases: BTreeMap<String, Files<'a>> = BTreeMap::new();
    for (path, bytes) in files {
        if let Some((case, file)) = path.rsplit_once('/') {
            cases
                .entry(case.to_owned())
                .or_default()
                .insert(file.to_owned(), bytes);
        }
    }
    let mut fixtures = Vec::new();
    for (case, files) in cases {
        let bad = |why: String| {
            Error::not_judged(
                format!("the fixture {case} can't be used: {why}"),
                "adapters/README.md describes its form",
            )
        };
        fixtures.extend(case::read(&case, &files).map_err(bad)?);
    }
    Ok(fixtures)
}

impl Fixture {
    /// The events that are right, with the data that they name by its place in the payload; none if
    /// something else is asked.
    pub fn events(&self) -> Result<Vec<String>, String> {
        let Truth::Events { events, .. } = &self.truth else {
            return Ok(Vec::new());
        };
        let whole = |event: &String| resolved(event, &self.payload);
        events.iter().map(whole).collect()
    }

    /// The profile that it counts for.
    pub fn profile(&self) -> String {
        match self.source.as_str() {
            "" => "adapter".to_owned(),
            source => format!("adapter/{source}"),
        }
    }

    /// By what it is selected.
    pub fn named(&self) -> Named {
        Named {
            id: self.id.clone(),
            rules: self.rules.clone(),
        }
    }
}

/// A document whose data is named by its place in the payload, with that data.
fn resolved(event: &str, payload: &[u8]) -> Result<String, String> {
    let mut members = document::members(event)?;
    let data = members.get("data").map(|data| document::members(data));
    if let Some(pointer) = data.and_then(|data| data.ok()?.remove("$input")) {
        let pointer: String = serde_json::from_str(&pointer).map_err(|e| e.to_string())?;
        let payload = payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(payload);
        members.insert(
            "data".to_owned(),
            document::at(case::text(payload)?, &pointer)?,
        );
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}
