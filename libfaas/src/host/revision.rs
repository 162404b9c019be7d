//! A manifest that this host has accepted, with everything decided that the manifest leaves open.

mod variables;

use std::path::PathBuf;
use std::time::Duration;

use super::{Ceilings, Settings, session};
use crate::{Code, Encoding, Filter, Manifest, ManifestLimits, Mode, Status, Trigger};

/// The version of the specification that this host serves.
const VERSION: (u32, u32) = (1, 0);

/// A manifest that this host has accepted, with everything decided that the manifest leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Whose function it is.
    pub tenant: String,
    /// `FAAS_REVISION`: unique among the revisions of this function.
    pub id: String,
    /// What the function says of itself.
    pub manifest: Manifest,
    /// The folder that holds the manifest: where the commands run.
    pub folder: PathBuf,
    /// The version of the specification in use, the lower of the host's and the manifest's.
    pub spec: String,
    /// The mode in which it is run.
    pub mode: Mode,
    /// The encoding in which the host speaks with it; without meaning in binary mode.
    pub encoding: Encoding,
    /// The encoding of each stage, the first of which is the host's. Between two that differ stands
    /// a relay (`pipeline-encoding`).
    pub stage_encodings: Vec<Encoding>,
    /// Whether events may go in pieces, both ways.
    pub chunks: bool,
    /// How many calls one instance takes at once; 1 in binary and structured mode.
    pub concurrency: usize,
    /// What it may use: the lower of the manifest's limit and the host's ceiling, each.
    pub bounds: Bounds,
}

/// What a function may use; None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// One attempt of a call.
    pub timeout: Option<Duration>,
    /// Bytes of memory of all processes of an instance together.
    pub memory: Option<u64>,
    /// Thousandths of a core.
    pub millicores: Option<u64>,
    /// Processes and threads of an instance.
    pub pids: Option<u64>,
    /// Bytes below `TMPDIR`.
    pub tmp: Option<u64>,
    /// Bytes of data that one call gives back.
    pub output: Option<u64>,
    /// Bytes of data of one event that goes in.
    pub event: Option<u64>,
}

impl Revision {
    /// Accepts a manifest and decides what it leaves open: the version, the first mode and the first
    /// encoding that this host supports (`manifest-preference`), and the lower of each limit and its
    /// ceiling (`manifest-limit-lower`). `id` is unique among the revisions of this function.
    ///
    /// ```
    /// use libfaas::host::{Revision, Settings};
    /// use libfaas::{Encoding, Manifest, Mode};
    ///
    /// let manifest = Manifest::from_yaml(r#"
    /// fsi: "1.3"
    /// name: count
    /// command: [./count]
    /// modes: [stream, structured]
    /// encodings: [capnp, protobuf]
    /// concurrency: 8
    /// "#)?;
    /// let settings = Settings { encodings: vec![Encoding::Json, Encoding::Protobuf], ..Settings::default() };
    /// let revision = Revision::new(manifest, "/srv/count", "acme", "r1", &settings)?;
    /// assert_eq!((revision.mode, revision.encoding), (Mode::Stream, Encoding::Protobuf));
    /// assert_eq!((revision.spec.as_str(), revision.concurrency), ("1.0", 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION where this host is not what the manifest asks for: another major version
    /// (`manifest-major`), no mode and encoding in common (`manifest-nothing-in-common`), a filter
    /// dialect that it does not know (`manifest-filter-unknown`). INVALID_ARGUMENT for a tenant or a
    /// revision without a name.
    pub fn new(
        manifest: Manifest,
        folder: impl Into<PathBuf>,
        tenant: impl Into<String>,
        id: impl Into<String>,
        settings: &Settings,
    ) -> Result<Revision, Status> {
        let (tenant, id) = (tenant.into(), id.into());
        for (what, name) in [("tenant", &tenant), ("revision", &id)] {
            if name.is_empty() || name.chars().any(char::is_control) {
                let message =
                    format!("expected a {what} with a name, got {name:?} (rule env-static)");
                return Err(Status::new(Code::InvalidArgument, message));
            }
        }
        let spec = version_in_use(&manifest)?;
        if let Some(dialect) = unknown_dialect(&manifest) {
            let message = format!(
                "{}: expected the filter dialects exact, prefix, suffix, all, any and not, got {dialect:?}; \
                 a filter that is skipped would let events through (rule manifest-filter-unknown)",
                manifest.name
            );
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let encodings = encodings(&manifest, settings);
        let usable = |mode: &&Mode| **mode == Mode::Binary || encodings.is_some();
        let Some(&mode) = manifest.modes.iter().find(usable) else {
            return Err(nothing_in_common(&manifest, settings));
        };
        let stream = mode == Mode::Stream;
        let stage_encodings =
            encodings.unwrap_or_else(|| vec![Encoding::Json; manifest.stages().len()]);
        Ok(Revision {
            tenant,
            id,
            folder: folder.into(),
            spec,
            mode,
            encoding: stage_encodings.first().copied().unwrap_or(Encoding::Json),
            stage_encodings,
            chunks: stream && manifest.has_feature("chunks"),
            concurrency: if stream {
                usize::from(manifest.concurrency.max(1))
            } else {
                1
            },
            bounds: Bounds::new(&manifest.limits, &settings.ceilings),
            manifest,
        })
    }

    /// How an instance of this revision is talked to in stream mode.
    pub fn session(&self, settings: &Settings) -> session::Options {
        session::Options {
            spec: self.spec.clone(),
            producer: settings.producer.clone(),
            encoding: self.encoding,
            concurrency: self.concurrency,
            chunks: self.chunks,
            max_message_bytes: settings.max_message_bytes,
            max_event_bytes: self.bounds.event,
            max_output_bytes: self.bounds.output,
            init: settings.times.init,
            cancel_grace: settings.times.cancel_grace,
        }
    }
}

impl Bounds {
    /// The lower of a limit and its ceiling, each.
    fn new(limits: &ManifestLimits, ceilings: &Ceilings) -> Self {
        let bytes = |quantity: Option<crate::Quantity>| quantity.map(crate::Quantity::rounded_up);
        let millicores = limits
            .cpu
            .map(|cpu| ((cpu.to_f64() * 1000.0).round() as u64).max(1));
        Bounds {
            timeout: lower(limits.timeout, ceilings.timeout),
            memory: lower(bytes(limits.memory), ceilings.memory),
            millicores: lower(millicores, ceilings.millicores),
            pids: lower(limits.pids, ceilings.pids),
            tmp: lower(bytes(limits.tmp), ceilings.tmp),
            output: lower(bytes(limits.output), ceilings.output),
            event: lower(bytes(limits.event), ceilings.event),
        }
    }
}

/// The lower of two limits, of which each may be missing.
fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The lower of the manifest's and this host's version (`version-environment`).
fn version_in_use(manifest: &Manifest) -> Result<String, Status> {
    let number = |text: &str| text.parse::<u32>().ok();
    let parts = manifest.fsi.split_once('.');
    let parsed = parts.and_then(|(major, minor)| number(major).zip(number(minor)));
    match parsed {
        Some((major, minor)) if major == VERSION.0 => {
            Ok(format!("{major}.{}", VERSION.1.min(minor)))
        }
        _ => {
            let (major, minor) = VERSION;
            let message = format!(
                "{}: expected version {major}.x, got {:?}; this host serves {major}.{minor} (rule manifest-major)",
                manifest.name, manifest.fsi
            );
            Err(Status::new(Code::FailedPrecondition, message))
        }
    }
}

/// The encoding of each stage: the first that this host and all of them have, where the manifest's
/// order goes before the first stage's. Where there is none, each keeps that of the stage before if
/// it can, and has the first of its own that this host has otherwise. None if a stage has none.
fn encodings(manifest: &Manifest, settings: &Settings) -> Option<Vec<Encoding>> {
    let of_stage = |stage: crate::Stage| stage.encodings.unwrap_or(manifest.encodings.clone());
    let stages: Vec<Vec<Encoding>> = manifest.stages().into_iter().map(of_stage).collect();
    let known = |encoding: &&Encoding| settings.encodings.contains(encoding);
    let mut candidates = manifest
        .encodings
        .iter()
        .chain(stages.first().into_iter().flatten())
        .filter(known);
    let common = candidates.find(|encoding| stages.iter().all(|stage| stage.contains(encoding)));
    if let Some(&common) = common {
        return Some(vec![common; stages.len()]);
    }
    let mut chosen: Vec<Encoding> = Vec::new();
    for stage in &stages {
        let before = chosen.last().filter(|before| stage.contains(before));
        chosen.push(*before.or_else(|| stage.iter().find(known))?);
    }
    Some(chosen)
}

fn nothing_in_common(manifest: &Manifest, settings: &Settings) -> Status {
    let names = |encodings: &[Encoding]| {
        let names: Vec<&str> = encodings.iter().map(|encoding| encoding.name()).collect();
        names.join(", ")
    };
    let modes: Vec<&str> = manifest.modes.iter().map(|mode| mode.name()).collect();
    let of_stages: Vec<String> = manifest
        .stages()
        .iter()
        .map(|stage| names(stage.encodings.as_deref().unwrap_or(&manifest.encodings)))
        .collect();
    let message = format!(
        "{}: expected of every stage an encoding that this host has ({}), got modes {} and encodings {}; \
         offer another encoding (rule manifest-nothing-in-common)",
        manifest.name,
        names(&settings.encodings),
        modes.join(", "),
        of_stages.join(" | "),
    );
    Status::new(Code::FailedPrecondition, message)
}

/// A filter dialect of the manifest that this library does not know.
fn unknown_dialect(manifest: &Manifest) -> Option<&str> {
    fn inside(filter: &Filter) -> Option<&str> {
        match filter {
            Filter::Unknown(dialect) => Some(dialect),
            Filter::All(filters) | Filter::Any(filters) => filters.iter().find_map(inside),
            Filter::Not(filter) => inside(filter),
            Filter::Exact(_) | Filter::Prefix(_) | Filter::Suffix(_) => None,
        }
    }
    manifest.triggers.iter().find_map(|trigger| match trigger {
        Trigger::Events { filters } => filters.iter().find_map(inside),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
