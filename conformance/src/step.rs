//! The step verbs of a case. A step is a TOML table with one verb; its other keys belong to the verb.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One thing that the suite does, or waits for.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Table")]
pub enum Step {
    /// Starts the subject; a further `start` ends the earlier process and starts a new one.
    Start(Start),
    /// One-shot modes: starts the subject for these events, writes them, closes stdin.
    Invoke(Invoke),
    /// Writes messages (stream) or event documents (structured).
    Send(Send),
    /// Writes bytes as they are.
    Raw(Raw),
    /// The next that comes for a call must match.
    Expect(Expect),
    /// Skips what comes for a call until something matches.
    Await(Expect),
    /// Output must have ended, with nothing that no step expected.
    NothingElse,
    /// Closes the suite's end of stdin or stdout.
    Close(Stdio),
    /// Sends a signal.
    Signal(Signal),
    /// The process must end in one of these ways.
    Wait(Wait),
    /// Stops reading stdout until the pipe is full, or for this many seconds.
    Stall(f64),
    /// stderr must contain a text.
    Stderr(Stderr),
    /// Does steps several times, with `$n` counting from 1.
    Repeat(Repeat),
    /// Looks for processes of the function from outside.
    Processes(Processes),
    /// Counts what the runtime holds, or compares it with what was counted.
    Leaks(Leaks),
    /// What stands outside must not have been reached.
    Lures(Untouched),
    /// Makes an HTTP request.
    Http(Http),
    /// Closes the connection of a request whose answer was not awaited.
    HangUp(String),
}

/// Options of `start`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// Set in the environment beyond what the contract sets.
    pub env: BTreeMap<String, String>,
    /// Stream mode: whether the suite writes its hello by itself.
    pub hello: bool,
    /// One-shot modes: the event whose attributes go into the environment (binary).
    pub event: Option<JsonTexts>,
    /// Runtimes: the function of this name among `revisions`.
    pub function: String,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            env: BTreeMap::new(),
            hello: true,
            event: None,
            function: String::new(),
        }
    }
}

/// The verb `invoke`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    invoke: JsonTexts,
    /// As in `start`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Invoke {
    /// The input events; one in binary mode.
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.invoke.0.iter()
    }
}

/// The verb `send`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    send: JsonTexts,
    /// How the bytes are cut into writes.
    #[serde(default)]
    pub write: Cut,
}

impl Send {
    /// What to write, with its placeholders.
    pub fn messages(&self) -> impl Iterator<Item = &Value> {
        self.send.0.iter()
    }
}

/// How bytes are cut into writes. A further write starts when the subject has read the one before.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Each message in one write.
    #[default]
    Each,
    /// All messages in one write.
    Together,
    /// A write per byte.
    Bytes,
    /// Two writes per message; inside `repeat` the cut moves on by one byte with each `$n`.
    Split,
}

/// The verb `raw`: bytes per encoding, or for every encoding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// The bytes.
    pub raw: RawBytes,
    /// How they are cut into writes.
    #[serde(default)]
    pub write: Cut,
}

/// Bytes as a case writes them: text for JSON, hexadecimal digits for the binary encodings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawBytes {
    /// Text, for whatever encoding.
    pub text: Option<String>,
    /// Hexadecimal digits, for whatever encoding.
    pub hex: Option<String>,
    /// Text of the JSON encoding. Nothing is added: a line feed is written as `\n`.
    pub json: Option<String>,
    /// Hexadecimal digits of the Protobuf encoding.
    pub protobuf: Option<String>,
    /// Hexadecimal digits of the Cap'n Proto encoding.
    pub capnp: Option<String>,
}

/// The verbs `expect` and `await`.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What to match, in this order per call.
    pub patterns: Vec<Value>,
    /// If not the usual.
    pub within: Option<Within>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireExpect {
    #[serde(alias = "await")]
    expect: JsonTexts,
    within: Option<Within>,
}

/// A time to wait: seconds, and times that a runtime has stated: `"drain + sigterm-grace + 3"`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct Within {
    /// Seconds.
    pub seconds: f64,
    /// Names of stated times, which are added.
    pub stated: Vec<String>,
}

impl TryFrom<toml::Value> for Within {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let text = match &value {
            toml::Value::Integer(n) => n.to_string(),
            toml::Value::Float(n) => n.to_string(),
            toml::Value::String(text) => text.clone(),
            _ => return Err("a time is a number of seconds, or a sum in a string".to_owned()),
        };
        let mut within = Within::default();
        for term in text.split('+').map(str::trim) {
            match term.parse::<f64>() {
                Ok(seconds) => within.seconds += seconds,
                Err(_) if crate::target::Times::NAMES.contains(&term) => {
                    within.stated.push(term.to_owned());
                }
                Err(_) => {
                    return Err(format!(
                        "`{term}` is neither a number of seconds nor one of {}",
                        crate::target::Times::NAMES.join(", ")
                    ));
                }
            }
        }
        Ok(within)
    }
}

impl From<f64> for Within {
    fn from(seconds: f64) -> Within {
        Within {
            seconds,
            stated: Vec::new(),
        }
    }
}

/// The verb `processes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processes {
    /// What must come true.
    pub processes: Presence,
    /// If not the usual.
    pub within: Option<Within>,
}

/// Whether processes of the function are there.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// At least one. Where none is ever seen, the runtime's processes are out of the suite's sight.
    Some,
    /// None any more.
    None,
}

/// The verb `leaks`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Leaks {
    /// Remembers what the driver holds.
    Count,
    /// It must not hold more than it did, and no zombies.
    None,
}

/// The value of the verb `lures`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Untouched {
    /// The only one.
    Untouched,
}

/// The verb `http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The method.
    pub http: String,
    /// Put in the place of the URL's path; `{tenant}` and `{function}` are those of the URL.
    pub path: Option<String>,
    /// Behind the path, such as `?a=b`.
    #[serde(default)]
    pub suffix: String,
    /// The headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as an event in JSON.
    pub event: Option<JsonTexts>,
    /// A body of so many bytes.
    pub size: Option<usize>,
    /// What the answer must match: `status`, `headers`, `body`, `json`.
    pub answer: Option<JsonTexts>,
    /// Without `answer`: the name by which `hang-up` knows it.
    #[serde(default, rename = "as")]
    pub name: String,
    /// If not the usual.
    pub within: Option<Within>,
}
/// A stream of the subject.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Stdio {
    /// What the subject reads.
    Stdin,
    /// What the subject writes.
    Stdout,
}

/// The verb `signal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Which.
    pub signal: SignalName,
    /// The stage of a pipeline, counted from 1; every stage if absent.
    pub stage: Option<usize>,
}

/// The signals that a host sends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignalName {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// The verb `wait`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    wait: Endings,
    /// If not the usual.
    pub within: Option<Within>,
}

impl Wait {
    /// The ways to end that are right.
    pub fn endings(&self) -> impl Iterator<Item = &Ending> {
        match &self.wait {
            Endings::One(one) => std::slice::from_ref(one).iter(),
            Endings::Several(several) => several.iter(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Endings {
    One(Ending),
    Several(Vec<Ending>),
}

/// How a process may end.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Ending {
    /// With this exit status.
    Status(i32),
    /// `any`, `nonzero`, or a signal's name such as `SIGTERM`.
    Named(EndingName),
}

/// Endings that are no number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum EndingName {
    /// Whatever the exit status.
    #[serde(rename = "any")]
    Any,
    /// Any exit status but 0, and no signal.
    #[serde(rename = "nonzero")]
    Nonzero,
    /// Killed by SIGTERM.
    #[serde(rename = "SIGTERM")]
    Sigterm,
    /// Killed by SIGPIPE.
    #[serde(rename = "SIGPIPE")]
    Sigpipe,
}

/// The verb `stderr`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stderr {
    /// The text; `$any` is any at all.
    #[serde(rename = "stderr")]
    pub text: String,
    /// Whether it must stand in the last line that is not empty, once the process has ended.
    #[serde(default)]
    pub last: bool,
    /// Whether it must not be there, in what has come so far.
    #[serde(default)]
    pub absent: bool,
}

/// The verb `repeat`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub repeat: u64,
    /// What.
    pub steps: Vec<Step>,
}

/// JSON written in TOML strings, one or a list of them, parsed when the case is.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct JsonTexts(pub Vec<Value>);

impl TryFrom<toml::Value> for JsonTexts {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let texts = match value {
            toml::Value::Array(texts) => texts,
            one => vec![one],
        };
        let parse = |text: toml::Value| match text.as_str() {
            Some(text) => {
                serde_json::from_str(text).map_err(|e| format!("{text:?} is no JSON: {e}"))
            }
            None => Err(format!("expected JSON in a string, got {text}")),
        };
        texts
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(JsonTexts)
    }
}

const VERBS: &[&str] = &[
    "start",
    "invoke",
    "send",
    "raw",
    "expect",
    "await",
    "nothing-else",
    "close",
    "signal",
    "wait",
    "stall",
    "stderr",
    "repeat",
    "processes",
    "leaks",
    "lures",
    "http",
    "hang-up",
];

impl TryFrom<toml::Table> for Step {
    type Error = String;

    fn try_from(table: toml::Table) -> Result<Self, String> {
        fn of<T: DeserializeOwned>(table: toml::Table) -> Result<T, String> {
            toml::Value::Table(table)
                .try_into()
                .map_err(|e| e.to_string().trim_end().to_owned())
        }
        // A verb without options: its value is the whole of it.
        fn value<T: DeserializeOwned>(verb: &str, mut table: toml::Table) -> Result<T, String> {
            let value = table.remove(verb).expect("found by its name");
            match table.keys().next() {
                Some(key) => Err(format!("`{verb}` takes no `{key}`")),
                None => value
                    .try_into()
                    .map_err(|e| format!("`{verb}`: {}", e.to_string().trim_end())),
            }
        }
        let verbs: Vec<&str> = VERBS
            .iter()
            .copied()
            .filter(|verb| table.contains_key(*verb))
            .collect();
        let [verb] = verbs[..] else {
            let keys: Vec<&str> = table.keys().map(String::as_str).collect();
            return Err(format!(
                "a step has exactly one verb of {}; this one has the keys {}",
                VERBS.join(", "),
                keys.join(", ")
            ));
        };
        Ok(match verb {
            "start" => Step::Start(value(verb, table)?),
            "invoke" => Step::Invoke(of(table)?),
            "send" => Step::Send(of(table)?),
            "raw" => Step::Raw(of(table)?),
            "expect" => Step::Expect(of::<WireExpect>(table)?.into()),
            "await" => Step::Await(of::<WireExpect>(table)?.into()),
            "nothing-else" => match value::<bool>(verb, table)? {
                true => Step::NothingElse,
                false => {
                    return Err(
                        "`nothing-else = false` means nothing; leave the step out".to_owned()
                    );
                }
            },
            "close" => Step::Close(value(verb, table)?),
            "signal" => Step::Signal(of(table)?),
            "wait" => Step::Wait(of(table)?),
            "stall" => Step::Stall(value(verb, table)?),
            "stderr" => Step::Stderr(of(table)?),
            "processes" => Step::Processes(of(table)?),
            "leaks" => Step::Leaks(value(verb, table)?),
            "lures" => Step::Lures(value(verb, table)?),
            "http" => Step::Http(of(table)?),
            "hang-up" => Step::HangUp(value(verb, table)?),
            _ => Step::Repeat(of(table)?),
        })
    }
}

impl From<WireExpect> for Expect {
    fn from(wire: WireExpect) -> Self {
        Expect {
            patterns: wire.expect.0,
            within: wire.within,
        }
    }
}
