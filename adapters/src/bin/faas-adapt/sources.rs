//! The sources: found by name, listed and explained.

use std::fmt::Write;

use faas_adapters::{ADAPTERS, Adapter, Delivery, Error, Origin, detect, find};

use crate::exit::Failure;

/// Which adapter to take.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Named(Known),
    Auto,
}

pub(crate) type Known = &'static dyn Adapter;

impl Source {
    pub(crate) fn of(self, delivery: &Delivery) -> Result<Known, Error> {
        match self {
            Source::Named(adapter) => Ok(adapter),
            Source::Auto => detect(delivery),
        }
    }
}

/// The source of this name.
pub(crate) fn known(name: &str) -> Result<Known, Failure> {
    find(name).ok_or_else(|| {
        let near = nearest(name);
        let advice = match near[..] {
            [] => "`faas-adapt list` names all".to_owned(),
            _ => format!("did you mean {}?", near.join(", ")),
        };
        Failure::usage(format!("no source is called `{name}`; {advice}"))
    })
}

/// The sources whose names have this in them; without one, those that differ by a slip.
fn nearest(name: &str) -> Vec<&'static str> {
    const ALIKE: f64 = 0.85;
    const MOST: usize = 3;
    let name = name.to_ascii_lowercase();
    let names = || ADAPTERS.iter().map(|adapter| adapter.about().name);
    let having: Vec<_> = names()
        .filter(|other| other.contains(&name) || name.contains(other))
        .collect();
    if !having.is_empty() {
        return having;
    }
    let mut alike: Vec<_> = names()
        .map(|other| (strsim::jaro_winkler(&name, other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// A source a line: its name, who wrote the mapping, what goes back, and what it is.
pub(crate) fn list() -> String {
    let mut lines = String::new();
    for adapter in ADAPTERS {
        let about = adapter.about();
        let origin = match about.origin {
            Origin::Published(_) => "published",
            Origin::Prescribed => "prescribed",
            Origin::Refused => "refused",
        };
        let reply = if about.reply.is_some() { "reply" } else { "-" };
        let known = if about.detected_by.is_some() {
            "auto"
        } else {
            "-"
        };
        let _ = writeln!(
            lines,
            "{:<26} {origin:<10} {reply:<5} {known:<4} {}",
            about.name, about.title
        );
    }
    lines
}

/// The source's section of the specification.
pub(crate) fn explain(adapter: &Known) -> String {
    let about = adapter.about();
    let detected = about.detected_by.map_or(
        "Not known by its payload or headers: name it.".to_owned(),
        |how| format!("Known by: {how}."),
    );
    let reply = about
        .reply
        .map_or("Nothing goes back.".to_owned(), |reply| {
            format!("Goes back: {reply}.")
        });
    let section = about.mapping().unwrap_or(about.title);
    format!("{section}\n\n{detected}\n{reply}\n")
}
