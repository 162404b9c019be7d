//! `pipe`: functions joined by pipes, as one function.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libfaas::host::{Level, Sandbox};
use libfaas::{Code, Encoding, Manifest, ManifestLimits, Mode, Stage, Start, Status};

use crate::cli::Pipe;
use crate::host_args::Isolation;
use crate::log::say;
use crate::run::{load, serve};

/// Runs the command.
pub fn run(args: &Pipe) -> ExitCode {
    let stages = args.stages.iter().map(|stage| part(stage, args)).collect();
    let parts: Vec<Part> = match stages {
        Ok(parts) => parts,
        Err(status) => return fail(args, status),
    };
    let mut common = args.common.clone();
    if let Err(status) = contain(&parts, &mut common.host.isolation) {
        return fail(args, status);
    }
    serve(&common, move || pipeline(&parts))
}

/// Fails as a function does, in its hello.
fn fail(args: &Pipe, status: Status) -> ExitCode {
    serve(&args.common, move || Err(status))
}

/// At level I2 a function sees one folder. Stages that are in several can't be given one that holds
/// them all: it would show what is none of theirs.
fn contain(parts: &[Part], isolation: &mut Isolation) -> Result<(), Status> {
    let one_folder = parts
        .windows(2)
        .all(|pair| pair[0].folder == pair[1].folder);
    match isolation {
        _ if one_folder => Ok(()),
        Isolation::I2 => Err(refuse(
            "--isolation I2: expected all stages in one folder, which is all that a function sees; \
             move them there, or use --isolation I1",
        )),
        Isolation::Auto => {
            *isolation = match Sandbox::probe(Level::Hygiene) {
                Ok(_) => Isolation::I1,
                Err(_) => Isolation::None,
            };
            say(
                "faas-runtime: the stages are in several folders, so their isolation is I1 at most",
            );
            Ok(())
        }
        Isolation::I1 | Isolation::None => Ok(()),
    }
}

/// A stage of the command line.
struct Part {
    /// What it is called in messages.
    shown: String,
    manifest: Manifest,
    folder: PathBuf,
}

fn part(stage: &str, args: &Pipe) -> Result<Part, Status> {
    let path = Path::new(stage);
    let is_manifest = path
        .extension()
        .is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
    let shown = stage.to_owned();
    if is_manifest {
        let (manifest, folder) = load(path)?;
        return Ok(Part {
            shown,
            manifest,
            folder,
        });
    }
    let Some(command) = shlex::split(stage).filter(|words| !words.is_empty()) else {
        return Err(refuse(&format!(
            "expected a manifest or a command, got {stage:?}"
        )));
    };
    let encoding = args.encoding.parse().unwrap_or(Encoding::Json);
    let folder =
        std::env::current_dir().map_err(|error| refuse(&format!("the current folder: {error}")))?;
    let text = serde_json::json!({
        "fsi": "1.0", "name": "stage", "command": command, "modes": ["stream"],
        "encodings": [Encoding::name(encoding)], "concurrency": args.concurrency,
        "features": if args.chunks { vec!["chunks"] } else { vec![] },
    });
    let manifest = Manifest::from_json(&text.to_string())
        .map_err(|error| refuse(&format!("{stage:?}: {error}")))?;
    Ok(Part {
        shown,
        manifest,
        folder,
    })
}

/// The manifest of the pipeline, and the folder in which its stages are started.
fn pipeline(parts: &[Part]) -> Result<(Manifest, PathBuf), Status> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Err(refuse("a pipeline has at least one stage"));
    };
    let folder = common_folder(parts);
    let mut stages = Vec::new();
    for part in parts {
        let manifest = &part.manifest;
        if !manifest.modes.contains(&Mode::Stream) {
            let message = format!("{}: expected a function with the mode stream", part.shown);
            return Err(refuse(&message));
        }
        if manifest.network != first.manifest.network {
            let message = format!(
                "{}: expected the same `network` as that of {}: a pipeline has one",
                part.shown, first.shown
            );
            return Err(refuse(&message));
        }
        for stage in manifest.stages() {
            stages.push(Stage {
                command: in_folder(&folder, &part.folder, stage.command),
                encodings: stage.encodings.or_else(|| Some(manifest.encodings.clone())),
            });
        }
    }
    let chunks = parts.iter().all(|part| part.manifest.has_feature("chunks"));
    let manifest = Manifest {
        name: "pipe".to_owned(),
        version: None,
        start: Start::Pipeline(stages),
        modes: vec![Mode::Stream],
        encodings: first.manifest.encodings.clone(),
        features: if chunks {
            vec!["chunks".to_owned()]
        } else {
            Vec::new()
        },
        concurrency: parts
            .iter()
            .map(|part| part.manifest.concurrency)
            .min()
            .unwrap_or(1),
        consumes: first.manifest.consumes.clone(),
        produces: last.manifest.produces.clone(),
        // Those of one stage say nothing of all together; but these are of the two ends.
        limits: ManifestLimits {
            event: first.manifest.limits.event,
            output: last.manifest.limits.output,
            ..ManifestLimits::default()
        },
        env: environment(parts)?,
        triggers: Vec::new(),
        samples: Vec::new(),
        ..first.manifest.clone()
    };
    Ok((manifest, folder))
}

/// The folder that holds all of the stages' folders.
fn common_folder(parts: &[Part]) -> PathBuf {
    let mut folders = parts.iter().map(|part| &part.folder);
    let first = folders.next().cloned().unwrap_or_default();
    folders.fold(first, |common, folder| {
        let both = common.components().zip(folder.components());
        both.take_while(|(one, other)| one == other)
            .map(|(one, _)| one)
            .collect()
    })
}

/// A command that is run in a folder below the pipeline's.
fn in_folder(common: &Path, folder: &Path, command: Vec<String>) -> Vec<String> {
    let below = folder.strip_prefix(common).unwrap_or(folder);
    if below.as_os_str().is_empty() {
        return command;
    }
    let script = r#"cd "$1" && shift && exec "$@""#;
    // Else one could be taken for an option.
    let below = Path::new(".").join(below).to_string_lossy().into_owned();
    let shell = ["sh", "-c", script, "sh"].map(str::to_owned);
    shell.into_iter().chain([below]).chain(command).collect()
}

/// The variables of all stages, which they all get.
fn environment(parts: &[Part]) -> Result<BTreeMap<String, String>, Status> {
    let mut env = BTreeMap::new();
    for part in parts {
        for (name, value) in &part.manifest.env {
            if env
                .insert(name.clone(), value.clone())
                .is_some_and(|other| other != *value)
            {
                let message = format!(
                    "{}: `env` sets {name} to another value than a stage before; a pipeline has one",
                    part.shown
                );
                return Err(refuse(&message));
            }
        }
    }
    Ok(env)
}

fn refuse(message: &str) -> Status {
    Status::new(Code::FailedPrecondition, message)
}
