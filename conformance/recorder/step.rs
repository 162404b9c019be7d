//! The steps that a case has the recorder do. cases/README.md is their manual.

use serde::Deserialize;
use serde_json::Value;

use crate::attempt::Attempt;

/// The data of `fsi.recorder.play`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Play {
    /// The stage of a pipeline that this is for; the first that reads it if absent.
    pub(crate) stage: Option<u32>,
    #[serde(rename = "do")]
    pub(crate) steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Gives an event; attributes that it needs and lacks are added.
    Event(Value),
    /// Gives the input event.
    Echo,
    /// Gives an event that tells what the process was given.
    Report,
    /// Gives an event that tells what was read.
    Received,
    /// Gives an event that tells how attempts ended.
    Attempt(Vec<Attempt>),
    /// Ends the call; in the one-shot modes the process, with the code's exit status.
    End(Value),
    /// Ends the call by what was read for it, as `event,end; cancel`: with `code` if it was that.
    EndIfRead(EndIfRead),
    /// Ends the call with `code` if it is not earlier than `ms` of the epoch.
    EndIfAfter(EndIfAfter),
    /// Writes a message as it stands; its call is this one's unless it says otherwise.
    Message(Value),
    /// Writes to stdout as it stands.
    Raw(Raw),
    /// Writes so many bytes `x` to stdout.
    Bytes(usize),
    /// Writes to stderr as it stands.
    Stderr(String),
    /// Writes so many bytes of lines to stderr.
    StderrLines(usize),
    /// Writes one line of so many bytes to stderr.
    StderrLine(usize),
    /// Ends the process.
    Exit(i32),
    /// Kills the process by this signal.
    Signal(String),
    /// Closes a standard stream.
    Close(Standard),
    /// Does nothing for so many milliseconds, reading included.
    Sleep(u64),
    /// Reads on for so many milliseconds.
    Read(u64),
    /// Does nothing any more, reading included.
    Hang,
    /// Takes no notice of these from now on.
    Ignore(Vec<What>),
    /// Goes on when this has come for the call; reading goes on meanwhile.
    Wait(What),
    /// Goes on when so many events have been read, all calls together.
    WaitEvents(usize),
    /// Goes on when so many cancels have been read, all calls together.
    WaitCancels(usize),
    /// Leaves a process behind.
    Spawn(Spawn),
    /// Does steps only in the attempt of this number.
    InAttempt(InAttempt),
    /// Does steps only for this tenant.
    InTenant(InTenant),
    /// Does steps several times.
    Repeat(Repeat),
    /// Gives an event that tells the time.
    Now,
    /// Before the hello: writes none.
    NoHello,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) text: Option<String>,
    pub(crate) hex: Option<String>,
    pub(crate) json: Option<String>,
    pub(crate) protobuf: Option<String>,
    pub(crate) capnp: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standard {
    Stdin,
    Stdout,
    Stderr,
}

/// What a host tells a function.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    Cancel,
    /// The end of the call's input.
    End,
    /// The end of stdin.
    Eof,
    /// SIGTERM.
    Term,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndIfRead {
    /// The fields of the messages, separated by commas.
    pub(crate) was: String,
    pub(crate) code: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndIfAfter {
    pub(crate) ms: u64,
    pub(crate) code: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spawn {
    /// In a session of its own, as a child of nobody.
    #[serde(default)]
    pub(crate) session: bool,
    /// With stdout open.
    #[serde(default)]
    pub(crate) stdout: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InAttempt {
    pub(crate) number: u32,
    #[serde(rename = "do")]
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InTenant {
    pub(crate) name: String,
    #[serde(rename = "do")]
    pub(crate) steps: Vec<Step>,
}

impl InTenant {
    pub(crate) fn is_here(&self) -> bool {
        std::env::var("FAAS_TENANT").is_ok_and(|tenant| tenant == self.name)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    pub(crate) times: usize,
    #[serde(rename = "do")]
    pub(crate) steps: Vec<Step>,
}
