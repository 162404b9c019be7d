//! From the command line to a claim: the manifest or the flags, the sample, the programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libfaas::{Encoding, Event, Manifest, Mode};

use crate::case::Kind;
use crate::cli::Claimed;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::subject::launch::Stage;
use crate::target::Claim;

/// Reads everything that the options name, and checks it before anything is started.
pub fn claim(options: &Claimed, kind: Kind, seed: u64) -> Result<Claim> {
    let claim = match &options.manifest {
        Some(file) => from_manifest(file, options, kind, seed)?,
        None => from_flags(options, kind, seed)?,
    };
    if claim.modes != [Mode::Binary] && claim.encodings.is_empty() {
        return Err(Error::usage(
            "no encoding is named, and stream and structured mode need one",
            "give --encoding json, protobuf or capnp (or several)",
        ));
    }
    Ok(claim)
}

fn from_flags(options: &Claimed, kind: Kind, seed: u64) -> Result<Claim> {
    if options.mode.is_empty() {
        return Err(Error::usage(
            "neither a manifest nor a mode is named",
            "give --manifest FILE, or for example --mode stream --encoding json --sample FILE -- COMMAND",
        ));
    }
    if options.command.is_empty() {
        return Err(Error::usage(
            "there is no command to judge",
            "give it after `--`, for example `-- python3 main.py`",
        ));
    }
    let program = Path::new(&options.command[0])
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    Ok(Claim {
        name: function_name(&program.unwrap_or_default()),
        version: None,
        modes: once_each(&options.mode),
        encodings: once_each(&options.encoding),
        features: options.feature.iter().cloned().collect(),
        concurrency: options.concurrency.unwrap_or(1),
        sample: sample(options.sample.as_deref(), kind, seed)?,
        options: flags(options),
        command: options.command.clone(),
        runtime: None,
        stages: vec![Stage::resolve(
            options.command.clone(),
            current_folder()?,
            BTreeMap::new(),
        )?],
    })
}

fn from_manifest(file: &Path, options: &Claimed, kind: Kind, seed: u64) -> Result<Claim> {
    const ADVICE: &str = "spec/manifest.md says what a manifest holds";
    let unusable = |why: String| {
        Error::usage(
            format!("the manifest {} can't be used: {why}", file.display()),
            ADVICE,
        )
    };
    let manifest = Manifest::from_path(file).map_err(|e| unusable(e.to_string()))?;
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|e| unusable(e.to_string()))?;
    let sample = match (&options.sample, manifest.samples.first()) {
        (None, Some(sample)) => read_sample(&folder.join(sample))?,
        (given, _) => sample(given.as_deref(), kind, seed)?,
    };
    let resolve = |command: Vec<String>, folder: PathBuf| {
        Stage::resolve(command, folder, manifest.env.clone())
    };
    let stages = if options.command.is_empty() {
        let commands = manifest.stages().into_iter().map(|stage| stage.command);
        commands
            .map(|command| resolve(command, folder.clone()))
            .collect::<Result<_>>()?
    } else {
        vec![resolve(options.command.clone(), current_folder()?)?]
    };
    Ok(Claim {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        modes: once_each(&manifest.modes),
        encodings: common_encodings(&manifest)?,
        features: manifest.features.iter().cloned().collect(),
        concurrency: manifest.concurrency.into(),
        sample,
        options: flags(options),
        command: options.command.clone(),
        runtime: None,
        stages,
    })
}

/// The encodings of the function that every stage has: the suite puts no relay between stages.
fn common_encodings(manifest: &Manifest) -> Result<Vec<Encoding>> {
    let stages = manifest.stages();
    let everywhere = |encoding: &Encoding| {
        stages.iter().all(|stage| {
            stage
                .encodings
                .as_ref()
                .is_none_or(|own| own.contains(encoding))
        })
    };
    let common: Vec<Encoding> = once_each(&manifest.encodings)
        .into_iter()
        .filter(everywhere)
        .collect();
    match common.is_empty() && !manifest.encodings.is_empty() {
        false => Ok(common),
        true => Err(Error::usage(
            "the stages of the pipeline have no encoding in common",
            "the suite puts no relay between stages; judge them one by one, or give them a common encoding",
        )),
    }
}

/// The folder where the person is.
pub fn current_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| {
        Error::not_judged(
            format!("the current folder can't be read: {e}"),
            "run the suite in a folder that exists",
        )
    })
}

/// The sample event: the one that is named, or for a probe the one that it has to know.
fn sample(file: Option<&Path>, kind: Kind, seed: u64) -> Result<Event> {
    match (file, kind) {
        (Some(file), _) => read_sample(file),
        (None, Kind::Sdk | Kind::Runtime) => Ok(Events::echo_sample(seed)),
        (None, Kind::Function) => Err(Error::usage(
            "there is no sample event, and the suite can't know what the function takes",
            "give --sample FILE, a CloudEvent in JSON, or name one under `samples` in the manifest",
        )),
    }
}

/// Reads an event file in CloudEvents' JSON format.
pub fn read_sample(file: &Path) -> Result<Event> {
    const ADVICE: &str = "a sample is one CloudEvent in JSON, for example \
        {\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/me\",\"type\":\"my.type\",\"data\":{}}";
    let bytes = std::fs::read(file).map_err(|e| {
        Error::usage(
            format!("the sample {} can't be read: {e}", file.display()),
            ADVICE,
        )
    })?;
    Event::decode(bytes, Encoding::Json, &libfaas::Limits::default()).map_err(|e| {
        Error::usage(
            format!("the sample {} is no CloudEvent: {e}", file.display()),
            ADVICE,
        )
    })
}

/// The options that name the subject, as they were given.
fn flags(options: &Claimed) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(file) = &options.manifest {
        add("--manifest", file.display().to_string());
    }
    options
        .mode
        .iter()
        .for_each(|m| add("--mode", m.to_string()));
    options
        .encoding
        .iter()
        .for_each(|e| add("--encoding", e.to_string()));
    options
        .feature
        .iter()
        .for_each(|f| add("--feature", f.clone()));
    if let Some(n) = options.concurrency {
        add("--concurrency", n.to_string());
    }
    if let Some(file) = &options.sample {
        add("--sample", file.display().to_string());
    }
    words
}

fn once_each<T: Copy + PartialEq>(values: &[T]) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(value) {
            seen.push(*value);
        }
    }
    seen
}

/// A program's name as a function's name has to look.
fn function_name(program: &str) -> String {
    let name: String = program
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    match name.trim_matches('-') {
        "" => "function".to_owned(),
        name => name.to_owned(),
    }
}
