//! The fixtures of adapters/, as cases for an adapter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::document;
use crate::embedded;
use crate::error::{Error, Result};
use crate::rule::rules;
use crate::select::Named;

/// What a fixture means that does not say it (adapters/README.md).
const NOW: &str = "2026-11-21T09:30:00Z";
const ID: &str = "generated";

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
}

/// What is right.
#[derive(Clone, Debug)]
pub enum Truth {
    /// These events, as documents whose data may be `{"$input": POINTER}`; and whether the delivery
    /// is something else besides.
    Events {
        /// The documents.
        events: Vec<String>,
        /// It is a handshake or a test too, or instead.
        notice: bool,
    },
    /// No event, and this place in the error.
    Refused {
        /// A JSON Pointer.
        pointer: String,
    },
    /// This goes back.
    Reply {
        /// The answers as an FSI stream in JSON, for stdin.
        answers: String,
        /// `{"value": …}`, `{"http": …}` or `{"visit": …}`.
        response: String,
        /// Whether each answer is OK.
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

type Files<'a> = BTreeMap<String, Cow<'a, [u8]>>;

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
        fixtures.extend(of_case(&case, &files).map_err(bad)?);
    }
    Ok(fixtures)
}

fn of_case(case: &str, files: &Files<'_>) -> Result<Vec<Fixture>, String> {
    let source = match case.rsplit_once('/') {
        Some((source, _)) => source.replace('/', "."),
        None => String::new(),
    };
    let name = case.rsplit('/').next().unwrap_or(case);
    let id = if source.is_empty() {
        name.to_owned()
    } else {
        format!("{source}/{name}")
    };
    let input = files.iter().find(|(file, _)| file.starts_with("input."));
    let (_, payload) = input.ok_or("there is no file `input.…`")?;
    let delivery = delivery(files)?;
    let fixture = |id: String, truth| Fixture {
        id,
        source: source.clone(),
        payload: payload.to_vec(),
        delivery: delivery.clone(),
        truth,
    };
    let notice = files
        .get("notice.json")
        .map(|bytes| object(bytes))
        .transpose()?;
    let truth = match (files.get("output.json"), files.get("error.json")) {
        (Some(output), None) => Truth::Events {
            events: document::items(text(output)?)?,
            notice: notice.is_some(),
        },
        (None, Some(error)) => Truth::Refused {
            pointer: object(error)?["pointer"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        },
        _ => return Err("either output.json or error.json has to be there".to_owned()),
    };
    let mut all = vec![fixture(id.clone(), truth)];
    let required = notice.as_ref().and_then(|notice| notice.get("reply"));
    if let Some(response) = required {
        let truth = Truth::Reply {
            answers: String::new(),
            response: response.to_string(),
            ok: true,
        };
        all.push(fixture(format!("{id}/notice"), truth));
    }
    for (file, bytes) in files {
        // What a notice requires goes back before the reply: then two lines come, and that is judged above.
        if let Some(name) = file
            .strip_suffix(".json")
            .filter(|name| name.starts_with("reply") && required.is_none())
        {
            all.push(fixture(format!("{id}/{name}"), reply(text(bytes)?)?));
        }
    }
    Ok(all)
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|e| e.to_string())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

fn delivery(files: &Files<'_>) -> Result<String, String> {
    let mut delivery =
        Map::from_iter([("now".to_owned(), json!(NOW)), ("id".to_owned(), json!(ID))]);
    if let Some(bytes) = files.get("delivery.json") {
        delivery.extend(object(bytes)?);
    }
    Ok(Value::Object(delivery).to_string())
}

/// The answers as a stream whose call N is the Nth event of the payload.
fn reply(text: &str) -> Result<Truth, String> {
    let members = document::members(text)?;
    let member = |name| members.get(name).ok_or(format!("`{name}` is missing"));
    let mut answers = String::from("{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n");
    let mut ok = true;
    for (index, answer) in document::items(member("answers")?)?.iter().enumerate() {
        let call = index + 1;
        let answer = document::members(answer)?;
        for event in answer
            .get("events")
            .map_or(Ok(Vec::new()), |e| document::items(e))?
        {
            answers.push_str(&format!(
                "{{\"call\":{call},\"event\":{}}}\n",
                document::one_line(&event)
            ));
        }
        // An answer without a status is a call that never ended.
        let Some(status) = answer.get("status") else {
            ok = false;
            continue;
        };
        let status: Map<String, Value> = serde_json::from_str(status).map_err(|e| e.to_string())?;
        ok &= status.get("code").is_none_or(|code| code == "OK");
        answers.push_str(&format!(
            "{{\"call\":{call},\"end\":{}}}\n",
            Value::Object(status)
        ));
    }
    Ok(Truth::Reply {
        answers,
        response: member("response")?.clone(),
        ok,
    })
}

impl Fixture {
    /// The rules that it tests: that of its source, and those that its form shows.
    pub fn rules(&self) -> Vec<String> {
        let own = format!("adapter-{}", self.source.replace('.', "-"));
        let mut tested = Vec::new();
        match &self.truth {
            Truth::Events { events, notice } => {
                tested.push(own);
                if events.is_empty() && *notice {
                    tested.push("adapter-unknown-kind".to_owned());
                }
                if !events.is_empty() {
                    tested
                        .extend(["adapter-valid-event", "adapter-content-type"].map(str::to_owned));
                }
                if self.source == "cloudevents.event" {
                    tested.push("adapter-pass-through".to_owned());
                }
                if events.iter().any(|event| event.contains("\"$input\"")) {
                    tested.extend(
                        ["adapter-data-verbatim", "adapter-data-numbers"].map(str::to_owned),
                    );
                }
                if events.len() > 1 {
                    tested.extend(["adapter-one-event-each", "adapter-order"].map(str::to_owned));
                }
                if self.payload.starts_with(b"\xEF\xBB\xBF") {
                    tested.push("adapter-bom".to_owned());
                }
            }
            Truth::Refused { .. } => {
                tested.extend([own, "adapter-undecodable".to_owned()]);
            }
            Truth::Reply { answers, ok, .. } => {
                let kinds =
                    ["-reply", "-web-reply", "-handshake"].map(|kind| format!("{own}{kind}"));
                let handshake = answers.is_empty();
                let of_kind = kinds
                    .into_iter()
                    .filter(|rule| rule.ends_with("-handshake") == handshake);
                tested.extend(of_kind.filter(|rule| rules().contains_key(rule)));
                match (handshake, ok) {
                    (true, _) => tested.push("adapter-unknown-kind".to_owned()),
                    (false, false) => tested.push("adapter-answer-fails-closed".to_owned()),
                    (false, true) if !answers.contains("\"event\":") => {
                        tested.push("adapter-answer-no-event".to_owned());
                    }
                    (false, true) => {}
                }
            }
        }
        tested.retain(|rule| rules().contains_key(rule));
        tested
    }

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
            rules: self.rules(),
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
        members.insert("data".to_owned(), document::at(text(payload)?, &pointer)?);
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}
