//! From a document to a manifest: every member checked, every fault with its place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::node::{self, Node, Value};
use super::quantity::{Quantity, duration};
use super::{
    EventKind, Filter, Manifest, ManifestError, ManifestLimits, Network, Stage, Start, Trigger,
};
use crate::error::{Rule, quote};
use crate::{Encoding, Mode};

type Result<T> = std::result::Result<T, ManifestError>;

/// Bytes that a manifest may have.
const MAX_BYTES: usize = 1 << 20;

/// The version of the specification that this library knows.
const VERSION: (u64, u64) = (1, 0);

impl Manifest {
    /// Reads a manifest in YAML.
    ///
    /// # Errors
    ///
    /// More than 1 MiB or one document, a key that is unknown (unless `fsi` is a newer minor version)
    /// or stands twice, a value out of its grammar, another major version, nothing that this library
    /// can speak.
    pub fn from_yaml(text: &str) -> Result<Self> {
        check_size(text.len())?;
        document(node::from_yaml(text)?)
    }

    /// Reads a manifest in JSON.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml).
    pub fn from_json(text: &str) -> Result<Self> {
        check_size(text.len())?;
        document(node::from_json(text)?)
    }

    /// Reads a file: JSON if its name ends in `.json`, else YAML.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml), and a file that can't be read or is not UTF-8.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let read = File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
        let manifest = match read {
            Err(error) => Err(ManifestError::new(
                Rule::ManifestSchema,
                format!("can't be read: {error}"),
            )),
            Ok(_) => match std::str::from_utf8(&bytes) {
                Err(_) => Err(ManifestError::new(Rule::ManifestSchema, "expected UTF-8")),
                Ok(text)
                    if path
                        .extension()
                        .is_some_and(|extension| extension == "json") =>
                {
                    Self::from_json(text)
                }
                Ok(text) => Self::from_yaml(text),
            },
        };
        manifest.map_err(|error| error.in_file(path))
    }
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes > MAX_BYTES {
        return Err(ManifestError::new(
            Rule::ManifestOne,
            "expected at most 1 MiB, got more",
        ));
    }
    Ok(())
}

fn document(node: Node) -> Result<Manifest> {
    let mut members = Members::new("the manifest", node, Keys::Known)?;
    let fsi = members.required("fsi", |node| match &node.value {
        Value::Number(text) => Err(expected(
            node,
            &format!("the version in quotes, \"{text}\""),
        )),
        _ => text(node),
    })?;
    let keys = match version(&fsi.value) {
        Some((major, _)) if major != VERSION.0 => {
            let message = format!(
                "`fsi`: expected a version 1.x, got {}; use a host that serves it",
                fsi.value
            );
            return Err(ManifestError::new(Rule::ManifestMajor, message).at(fsi.place));
        }
        Some((_, minor)) if minor > VERSION.1 => Keys::Newer,
        Some(_) => Keys::Known,
        None => {
            return Err(expected_at(
                fsi.place,
                "`fsi`: a version like \"1.0\"",
                &quote(fsi.value.as_bytes()),
            ));
        }
    };
    members.keys = keys;
    manifest(members, fsi.value)
}

fn manifest(mut members: Members, fsi: String) -> Result<Manifest> {
    let keys = members.keys;
    let place = members.place;
    let name = members.required("name", |node| {
        pattern(node, is_name, "1 to 63 of a-z, 0-9 and -, no - at an end")
    })?;
    let version = members.optional("version", |node| {
        let fits = |text: &str| {
            (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        pattern(node, fits, "1 to 64 printable characters")
    })?;
    let single = members.optional("command", command)?;
    let pipeline = members.optional("pipeline", |node| list(node, 1, |node| stage(node, keys)))?;
    let start = match (single, pipeline) {
        (Some(command), None) => Start::Command(command),
        (None, Some(stages)) => Start::Pipeline(stages),
        (single, _) => {
            let came = if single.is_some() { "both" } else { "neither" };
            let message = format!("expected either `command` or `pipeline`, got {came}");
            return Err(ManifestError::new(Rule::ManifestStart, message).at(place));
        }
    };
    let modes = members.required("modes", |node| {
        list(node, 1, token).map(|names| (names, node.place))
    })?;
    let encodings = members.optional("encodings", |node| list(node, 1, token))?;
    let (modes, encodings) = common(modes.value, encodings)?;
    let features = members
        .optional("features", |node| list(node, 0, token))?
        .unwrap_or_default();
    let manifest = Manifest {
        fsi,
        name: name.value,
        version,
        start,
        modes,
        encodings,
        features: features
            .into_iter()
            .filter(|feature| feature == "chunks")
            .collect(),
        concurrency: members
            .optional("concurrency", |node| integer(node, u16::MAX.into()))?
            .unwrap_or(1) as u16,
        consumes: members
            .optional("consumes", |node| list(node, 0, |node| kind(node, keys)))?
            .unwrap_or_default(),
        produces: members
            .optional("produces", |node| list(node, 0, |node| kind(node, keys)))?
            .unwrap_or_default(),
        limits: members
            .optional("limits", |node| limits(node, keys))?
            .unwrap_or_default(),
        env: members.optional("env", env)?.unwrap_or_default(),
        network: members.optional("network", network)?.unwrap_or_default(),
        triggers: members
            .optional("triggers", |node| list(node, 0, |node| trigger(node, keys)))?
            .unwrap_or_default(),
        samples: members
            .optional("samples", |node| list(node, 0, sample))?
            .unwrap_or_default(),
    };
    members.end()?;
    Ok(manifest)
}

/// Leaves out the names that this version does not know; something has to be left.
fn common(
    modes: (Vec<String>, (u64, u64)),
    encodings: Option<Vec<String>>,
) -> Result<(Vec<Mode>, Vec<Encoding>)> {
    let (modes, place) = modes;
    let encodings = encodings.unwrap_or_else(|| vec!["json".to_owned()]);
    let known: Vec<Encoding> = encodings
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let usable = |mode: &Mode| *mode == Mode::Binary || !known.is_empty();
    let both: Vec<Mode> = modes
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(usable)
        .collect();
    if both.is_empty() {
        let message = format!(
            "expected a mode of binary, structured and stream, and but for binary an encoding of json, protobuf and capnp; \
             got modes {} and encodings {}; use a host of a newer version",
            modes.join(", "),
            encodings.join(", "),
        );
        return Err(ManifestError::new(Rule::ManifestCommon, message).at(place));
    }
    Ok((both, known))
}

fn stage(node: &Node, keys: Keys) -> Result<Stage> {
    if let Value::List(_) = node.value {
        return Ok(Stage {
            command: command(node)?,
            encodings: None,
        });
    }
    let mut members = Members::new("a stage", node.clone(), keys)?;
    let command = members.required("command", command)?.value;
    let encodings = members.optional("encodings", |node| list(node, 1, token))?;
    members.end()?;
    let known = |names: Vec<String>| names.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(Stage {
        command,
        encodings: encodings.map(known),
    })
}

fn command(node: &Node) -> Result<Vec<String>> {
    let words = list(node, 1, |node| {
        pattern(node, |text| !text.contains('\0'), "text without NUL")
    })?;
    if words[0].is_empty() {
        return Err(expected(node, "a program as the first word"));
    }
    Ok(words)
}

fn kind(node: &Node, keys: Keys) -> Result<EventKind> {
    let mut members = Members::new("an event kind", node.clone(), keys)?;
    let filled = |node: &Node| pattern(node, |text| !text.is_empty(), "non-empty text");
    let kind = EventKind {
        ty: members.required("type", filled)?.value,
        datacontenttype: members.optional("datacontenttype", filled)?,
        dataschema: members.optional("dataschema", |node| {
            pattern(
                node,
                |text| fluent_uri::Uri::parse(text).is_ok(),
                "an absolute URI",
            )
        })?,
    };
    members.end()?;
    Ok(kind)
}

const DURATION: &str = "a duration like 250ms, 10s or 1m30s, longer than zero";

fn limits(node: &Node, keys: Keys) -> Result<ManifestLimits> {
    let mut members = Members::new("limits", node.clone(), keys)?;
    let limits = ManifestLimits {
        timeout: members.optional("timeout", |node| {
            let Value::Text(text) = &node.value else {
                return Err(expected(node, DURATION));
            };
            duration(text).ok_or_else(|| expected(node, DURATION))
        })?,
        memory: members.optional("memory", quantity)?,
        cpu: members.optional("cpu", quantity)?,
        pids: members.optional("pids", |node| integer(node, u64::MAX))?,
        tmp: members.optional("tmp", quantity)?,
        output: members.optional("output", quantity)?,
        event: members.optional("event", quantity)?,
    };
    members.end()?;
    Ok(limits)
}

fn env(node: &Node) -> Result<BTreeMap<String, String>> {
    const RESERVED: [&str; 4] = ["TRACEPARENT", "TRACESTATE", "BAGGAGE", "TMPDIR"];
    map(node, |name, value| {
        let Value::Text(text) = &name.value else {
            return Err(expected(name, "a name"));
        };
        if text.starts_with("FAAS_") || text.starts_with("CE_") || RESERVED.contains(&text.as_str())
        {
            let message = format!(
                "`env`: expected a name that is not the runtime's own, got {text}; rename it"
            );
            return Err(ManifestError::new(Rule::ManifestEnv, message).at(name.place));
        }
        let fits = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let name = pattern(name, fits, "a name of the form [A-Za-z_][A-Za-z0-9_]*")?;
        let printable = |text: &str| !text.chars().any(char::is_control);
        Ok((
            name,
            pattern(
                value,
                printable,
                "text in quotes, without control characters",
            )?,
        ))
    })
}

fn network(node: &Node) -> Result<Network> {
    match text(node)?.as_str() {
        "none" => Ok(Network::None),
        "outbound-tcp" => Ok(Network::OutboundTcp),
        _ => Err(expected(node, "none or outbound-tcp")),
    }
}

fn sample(node: &Node) -> Result<String> {
    let path = pattern(node, |text| !text.is_empty(), "a path")?;
    if path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        let message = format!(
            "`samples`: expected a path inside the manifest's folder, got {}",
            quote(path.as_bytes())
        );
        return Err(ManifestError::new(Rule::ManifestSample, message).at(node.place));
    }
    Ok(path)
}

fn trigger(node: &Node, keys: Keys) -> Result<Trigger> {
    let mut members = Members::new("a trigger", node.clone(), keys)?;
    let count = members.map.len();
    let place = members.place;
    let filled = |node: &Node| pattern(node, |text| !text.is_empty(), "non-empty text");
    let http = members.optional("http", |node| {
        let mut members = Members::new("an http trigger", node.clone(), keys)?;
        let path = members.required("path", |node| {
            pattern(
                node,
                |text| text.starts_with('/'),
                "a path that begins with /",
            )
        })?;
        let upper = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase());
        let methods = members.optional("methods", |node| {
            list(node, 1, |node| pattern(node, upper, "an upper-case method"))
        })?;
        members.end()?;
        Ok(Trigger::Http {
            path: path.value,
            methods: methods.unwrap_or_else(|| vec!["POST".to_owned()]),
        })
    })?;
    let events = members.optional("events", |node| {
        let mut members = Members::new("an events trigger", node.clone(), keys)?;
        let filters = members
            .required("filters", |node| list(node, 0, filter))?
            .value;
        members.end()?;
        Ok(Trigger::Events { filters })
    })?;
    let schedule = members.optional("schedule", |node| {
        let mut members = Members::new("a schedule trigger", node.clone(), keys)?;
        let five = |text: &str| {
            !text.starts_with([' ', '\t'])
                && !text.ends_with([' ', '\t'])
                && text.split_ascii_whitespace().count() == 5
        };
        let cron = members
            .required("cron", |node| {
                pattern(node, five, "five fields, as crontab(5) has them")
            })?
            .value;
        members.end()?;
        Ok(Trigger::Schedule { cron })
    })?;
    let queue = members.optional("queue", |node| {
        let mut members = Members::new("a queue trigger", node.clone(), keys)?;
        let topic = members.required("topic", filled)?.value;
        members.end()?;
        Ok(Trigger::Queue { topic })
    })?;
    members.end()?;
    match [http, events, schedule, queue].into_iter().flatten().next() {
        Some(trigger) if count == 1 => Ok(trigger),
        // Only a newer manifest gets here with a member that is none of the four.
        None if count == 1 => {
            let message = "`triggers`: expected http, events, schedule or queue, got a kind of a newer version";
            Err(ManifestError::new(Rule::ManifestTrigger, message).at(place))
        }
        _ => Err(expected_at(
            place,
            "a trigger with exactly one member",
            &format!("{count}"),
        )),
    }
}

fn filter(node: &Node) -> Result<Filter> {
    let Value::Map(members) = &node.value else {
        return Err(expected(node, "a filter, which is a map"));
    };
    let [(name, value)] = members.as_slice() else {
        return Err(expected_at(
            node.place,
            "a filter with exactly one member",
            &members.len().to_string(),
        ));
    };
    let texts = || {
        let name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let map = map(value, |key, value| {
            let value = pattern(value, |text| !text.is_empty(), "non-empty text")?;
            Ok((pattern(key, name, "the name of an attribute")?, value))
        })?;
        if map.is_empty() {
            Err(expected(value, "at least one attribute"))
        } else {
            Ok(map)
        }
    };
    Ok(match text(name)?.as_str() {
        "exact" => Filter::Exact(texts()?),
        "prefix" => Filter::Prefix(texts()?),
        "suffix" => Filter::Suffix(texts()?),
        "all" => Filter::All(list(value, 1, filter)?),
        "any" => Filter::Any(list(value, 1, filter)?),
        "not" => Filter::Not(Box::new(filter(value)?)),
        other => Filter::Unknown(other.to_owned()),
    })
}

/// What to do with keys that are not known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// They are errors.
    Known,
    /// The manifest is of a newer version, which may have more.
    Newer,
}

/// The members of a map, taken one by one.
struct Members {
    what: &'static str,
    map: Vec<(Node, Node)>,
    place: (u64, u64),
    keys: Keys,
    known: Vec<&'static str>,
}

struct Placed<T> {
    value: T,
    place: (u64, u64),
}

impl Members {
    fn new(what: &'static str, node: Node, keys: Keys) -> Result<Self> {
        match node.value {
            Value::Map(map) => Ok(Members {
                what,
                map,
                place: node.place,
                keys,
                known: Vec::new(),
            }),
            _ => Err(expected(&node, &format!("{what}, which is a map"))),
        }
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node) -> Result<T>,
    ) -> Result<Option<T>> {
        self.known.push(name);
        let node = self
            .map
            .iter()
            .find(|(key, _)| matches!(&key.value, Value::Text(text) if text == name));
        node.map(|(_, node)| read(node).map_err(|error| error.of_member(name)))
            .transpose()
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node) -> Result<T>,
    ) -> Result<Placed<T>> {
        let found = self.optional(name, |node| {
            Ok(Placed {
                value: read(node)?,
                place: node.place,
            })
        })?;
        found.ok_or_else(|| {
            let message = format!("expected `{name}` in {}, got none; add it", self.what);
            ManifestError::new(Rule::ManifestSchema, message).at(self.place)
        })
    }

    /// All members have been asked for: what is left is unknown.
    fn end(self) -> Result<()> {
        if self.keys == Keys::Newer {
            return Ok(());
        }
        for (key, _) in &self.map {
            if let Value::Text(name) = &key.value
                && !self.known.contains(&name.as_str())
            {
                let message = format!(
                    "expected one of {} in {}, got {}; correct or remove it",
                    self.known.join(", "),
                    self.what,
                    quote(name.as_bytes())
                );
                return Err(ManifestError::new(Rule::ManifestUnknown, message).at(key.place));
            }
        }
        Ok(())
    }
}

fn expected(node: &Node, what: &str) -> ManifestError {
    expected_at(node.place, what, &node.value.describe())
}

fn expected_at(place: (u64, u64), what: &str, came: &str) -> ManifestError {
    ManifestError::new(Rule::ManifestSchema, format!("expected {what}, got {came}")).at(place)
}

fn text(node: &Node) -> Result<String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Number(_) | Value::Boolean(_) | Value::Null => {
            Err(expected(node, "text; put it in quotes"))
        }
        _ => Err(expected(node, "text")),
    }
}

fn pattern(node: &Node, fits: impl Fn(&str) -> bool, what: &str) -> Result<String> {
    let text = text(node)?;
    if fits(&text) {
        Ok(text)
    } else {
        Err(expected(node, what))
    }
}

fn list<T>(node: &Node, least: usize, item: impl Fn(&Node) -> Result<T>) -> Result<Vec<T>> {
    match &node.value {
        Value::List(items) if items.len() >= least => items.iter().map(item).collect(),
        Value::List(_) => Err(expected_at(
            node.place,
            "at least one item",
            "an empty list",
        )),
        _ => Err(expected(node, "a list")),
    }
}

fn map<V>(
    node: &Node,
    member: impl Fn(&Node, &Node) -> Result<(String, V)>,
) -> Result<BTreeMap<String, V>> {
    match &node.value {
        Value::Map(members) => members
            .iter()
            .map(|(name, value)| member(name, value))
            .collect(),
        _ => Err(expected(node, "a map")),
    }
}

fn token(node: &Node) -> Result<String> {
    let fits = |text: &str| {
        (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    pattern(node, fits, "a name of a-z, 0-9 and -")
}

/// From 1 to `most`. A number like 4.0 is an integer too, as in JSON Schema.
fn integer(node: &Node, most: u64) -> Result<u64> {
    let Value::Number(text) = &node.value else {
        return Err(expected(node, "an integer"));
    };
    let whole = text.strip_suffix(".0").unwrap_or(text);
    match whole.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(expected(node, &format!("an integer from 1 to {most}"))),
    }
}

fn quantity(node: &Node) -> Result<Quantity> {
    let (Value::Text(text) | Value::Number(text)) = &node.value else {
        return Err(expected(node, "a quantity like 64Mi"));
    };
    text.parse()
        .map_err(|_| expected(node, "a quantity like 64Mi, 1.5Gi or 500m, below 2^64"))
}

fn is_name(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// `major.minor` in decimal without leading zeros.
fn version(text: &str) -> Option<(u64, u64)> {
    let number = |text: &str| {
        let plain =
            text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
        // What no u64 holds is newer than anything.
        (plain && !text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (major, minor) = text.split_once('.')?;
    Some((number(major)?, number(minor)?))
}
