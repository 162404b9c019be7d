//! A manifest as JSON, which `FAAS_MODE=describe` prints.

use serde_json::{Map, Value, json};

use super::quantity::duration_text;
use super::{EventKind, Filter, Manifest, ManifestLimits, Network, Start, Trigger};

impl Manifest {
    /// The manifest as one JSON object on one line; members with their default are left out.
    ///
    /// ```
    /// use libfaas::Manifest;
    ///
    /// let text = r#"{"fsi":"1.0","name":"shout","command":["tr","a-z","A-Z"],"modes":["binary"]}"#;
    /// let manifest = Manifest::from_json(text)?;
    /// assert_eq!(Manifest::from_json(&manifest.to_json())?, manifest);
    /// # Ok::<(), libfaas::ManifestError>(())
    /// ```
    pub fn to_json(&self) -> String {
        let mut object = Map::new();
        let mut set = |name: &str, value: Value| {
            let empty = value.is_null() || value == json!([]) || value == json!({});
            if !empty {
                object.insert(name.to_owned(), value);
            }
        };
        set("fsi", json!(self.fsi));
        set("name", json!(self.name));
        set("version", json!(self.version));
        match &self.start {
            Start::Command(command) => set("command", json!(command)),
            Start::Pipeline(stages) => set(
                "pipeline",
                stages
                    .iter()
                    .map(|stage| match &stage.encodings {
                        None => json!(stage.command),
                        Some(encodings) => {
                            json!({ "command": stage.command, "encodings": names(encodings) })
                        }
                    })
                    .collect(),
            ),
        }
        set("modes", names(&self.modes));
        set("encodings", names(&self.encodings));
        set("features", json!(self.features));
        set("concurrency", json!(self.concurrency));
        set("consumes", self.consumes.iter().map(kind).collect());
        set("produces", self.produces.iter().map(kind).collect());
        set("limits", limits(&self.limits));
        set("env", json!(self.env));
        if self.network == Network::OutboundTcp {
            set("network", json!("outbound-tcp"));
        }
        set("triggers", self.triggers.iter().map(trigger).collect());
        set("samples", json!(self.samples));
        Value::Object(object).to_string()
    }
}

fn names(names: &[impl std::fmt::Display]) -> Value {
    names.iter().map(|name| json!(name.to_string())).collect()
}

fn present(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(
        present
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn kind(kind: &EventKind) -> Value {
    let EventKind {
        ty,
        datacontenttype,
        dataschema,
    } = kind;
    present([
        ("type", json!(ty)),
        ("datacontenttype", json!(datacontenttype)),
        ("dataschema", json!(dataschema)),
    ])
}

fn limits(limits: &ManifestLimits) -> Value {
    let ManifestLimits {
        timeout,
        memory,
        cpu,
        pids,
        tmp,
        output,
        event,
    } = limits;
    let amounts = [
        ("memory", memory),
        ("cpu", cpu),
        ("tmp", tmp),
        ("output", output),
        ("event", event),
    ];
    let amounts =
        amounts.map(|(name, amount)| (name, json!(amount.map(|amount| amount.to_string()))));
    present(amounts.into_iter().chain([
        ("timeout", json!(timeout.map(duration_text))),
        ("pids", json!(pids)),
    ]))
}

fn trigger(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Http { path, methods } => json!({ "http": { "path": path, "methods": methods } }),
        Trigger::Events { filters } => {
            json!({ "events": { "filters": filters.iter().map(filter).collect::<Value>() } })
        }
        Trigger::Schedule { cron } => json!({ "schedule": { "cron": cron } }),
        Trigger::Queue { topic } => json!({ "queue": { "topic": topic } }),
    }
}

fn filter(filter: &Filter) -> Value {
    let all = |filters: &[Filter]| filters.iter().map(self::filter).collect::<Value>();
    match filter {
        Filter::Exact(texts) => json!({ "exact": texts }),
        Filter::Prefix(texts) => json!({ "prefix": texts }),
        Filter::Suffix(texts) => json!({ "suffix": texts }),
        Filter::All(filters) => json!({ "all": all(filters) }),
        Filter::Any(filters) => json!({ "any": all(filters) }),
        Filter::Not(inner) => json!({ "not": self::filter(inner) }),
        Filter::Unknown(dialect) => json!({ (dialect.as_str()): {} }),
    }
}
