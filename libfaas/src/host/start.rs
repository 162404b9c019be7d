//! Starts an instance: all stages of a revision, joined by kernel pipes, and by relays where two
//! share no encoding.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use super::relay::{self, Relay};
use super::{Process, Revision, Sandbox, SandboxError, Settings};
use crate::{Context, Event, Mode, Status};

/// A started instance, and the host's ends of its streams. Dropping it kills and reaps everything
/// that it started.
#[derive(Debug)]
pub struct Instance {
    /// The stages, from the first to the last.
    pub processes: Vec<Process>,
    /// stdin of the first stage.
    pub stdin: OwnedFd,
    /// stdout of the last stage.
    pub stdout: OwnedFd,
    /// stderr of each stage.
    pub stderr: Vec<OwnedFd>,
    /// Where they run.
    pub sandbox: Sandbox,
}

/// Starts an instance. `invocation` is the one that it lives for, in binary and structured mode.
///
/// The host keeps no end of the pipes between stages, but for a relay's. Its own ends block; setting `O_NONBLOCK` on
/// them does not reach the function.
///
/// # Errors
///
/// FAILED_PRECONDITION when the level can't be kept here or a program can't be executed,
/// INVALID_ARGUMENT when the invocation's context or event can't be an environment.
pub fn start(
    revision: &Revision,
    settings: &Settings,
    invocation: Option<(&Context, &Event)>,
) -> Result<Instance, Status> {
    let sandbox = Sandbox::new(revision, settings)?;
    let vars = revision.variables(settings, sandbox.tmpdir(), invocation)?;
    start_in(sandbox, revision, settings, vars)
}

fn start_in(
    sandbox: Sandbox,
    revision: &Revision,
    settings: &Settings,
    mut vars: BTreeMap<String, String>,
) -> Result<Instance, Status> {
    let (mut input, stdin) = pipe()?;
    let pipeline = revision.stage_encodings.len() > 1;
    if pipeline {
        widen(&stdin);
    }
    let (mut processes, mut stderr) = (Vec::new(), Vec::new());
    // After the last stage stands the host again.
    let next = revision.stage_encodings.iter().skip(1);
    let next = next.chain([&revision.encoding]);
    let encodings = revision.stage_encodings.iter().zip(next);
    for (stage, (&own, &next)) in revision.manifest.stages().iter().zip(encodings) {
        let (output, stage_stdout) = pipe()?;
        let (errors, stage_stderr) = pipe()?;
        if pipeline {
            widen(&stage_stdout);
        }
        let stage_stdin = std::mem::replace(&mut input, output);
        let relayed = revision.mode != Mode::Binary && own != next;
        let relay_errors = relayed.then(|| stage_stderr.try_clone()).transpose();
        if revision.mode != Mode::Binary {
            vars.insert("FAAS_ENCODING".to_owned(), own.name().to_owned());
        }
        // What was started before dies with the sandbox.
        let process = sandbox.start(stage, &vars, stage_stdin, stage_stdout, stage_stderr)?;
        processes.push(process);
        stderr.push(errors);
        let failed = |error| SandboxError::step("start a relay between two stages", error);
        if let Some(errors) = relay_errors.map_err(failed)? {
            let (output, relayed) = pipe()?;
            widen(&relayed);
            let stage_stdout = std::mem::replace(&mut input, output);
            let relay = Relay::new(revision.mode, own, next, settings.max_message_bytes);
            relay::spawn(relay, stage_stdout, relayed, errors).map_err(failed)?;
        }
    }
    Ok(Instance {
        processes,
        stdin,
        stdout: input,
        stderr,
        sandbox,
    })
}

/// What to read from, and what to write to.
fn pipe() -> Result<(OwnedFd, OwnedFd), Status> {
    match io::pipe() {
        Ok((read, write)) => Ok((read.into(), write.into())),
        Err(error) => Err(SandboxError::step("make a pipe", error).into()),
    }
}

/// Gives a pipe of a pipeline room for several large messages: each time that a stage fills its pipe
/// or empties the one before, the machine has to switch to another. Not more, since the system bounds
/// what all pipes of a user hold together; where it refuses, the pipe is as it was.
fn widen(pipe: &OwnedFd) {
    #[cfg(target_os = "linux")]
    {
        const ROOM: usize = 256 << 10;
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, ROOM);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}
