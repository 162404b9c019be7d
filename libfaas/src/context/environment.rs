//! What a host tells a process in its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;

use super::{Context, InvalidContext, is_extra_name};
use crate::error::{Rule, quote};
use crate::{Code, Encoding, Limits, Mode, Status};

/// What a host tells a process in its environment: the same for the life of the instance, but for
/// the context, which binary and structured mode have here and stream mode in its messages.
///
/// ```
/// use libfaas::{Encoding, Environment, Mode};
///
/// let vars = [("FAAS_MODE", "structured"), ("FAAS_ENCODING", "protobuf"), ("FAAS_ATTEMPT", "2")];
/// let environment = Environment::from_vars(vars)?;
/// assert_eq!(environment.mode, Mode::Structured);
/// assert_eq!(environment.encoding, Encoding::Protobuf);
/// assert_eq!(environment.context.attempt, 2);
/// assert_eq!(environment.concurrency, 1);
/// # Ok::<(), libfaas::InvalidEnvironment>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `FAAS_SPEC`: the version of the specification in use, `major.minor`; `1.0` when not set.
    pub spec: String,
    /// `FAAS_MODE`; structured when not set.
    pub mode: Mode,
    /// `FAAS_ENCODING`; JSON when not set. Of no meaning in binary mode.
    pub encoding: Encoding,
    /// `FAAS_MODE=describe`: print the manifest and exit. `mode` is then the default.
    pub describe: bool,
    /// `FAAS_FEATURES`: the features that both sides have.
    pub features: BTreeSet<String>,
    /// `FAAS_FUNCTION`: the function's name; empty when not set.
    pub function: String,
    /// `FAAS_REVISION`: the revision that runs; empty when not set.
    pub revision: String,
    /// `FAAS_TENANT`; empty when not set.
    pub tenant: String,
    /// `FAAS_MEMORY_BYTES`: the memory limit in bytes, if there is one.
    pub memory_bytes: Option<u64>,
    /// `FAAS_CONCURRENCY`: how many calls may be open at once, at least 1; 1 when not set.
    pub concurrency: usize,
    /// `FAAS_MAX_MESSAGE_BYTES`: the message limit in bytes; 16 MiB when not set.
    pub max_message_bytes: usize,
    /// The context of the one invocation of a process in binary or structured mode.
    pub context: Context,
}

/// A variable that can't be used: which, what was expected, what it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEnvironment {
    rule: Rule,
    variable: String,
    expected: String,
    came: String,
}

impl InvalidEnvironment {
    /// The identifier of the broken rule, a heading in the specification.
    pub fn rule(&self) -> &'static str {
        self.rule.id()
    }

    /// The name of the variable.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// How the process ends for it: INVALID_ARGUMENT where the context is at fault, else
    /// FAILED_PRECONDITION (exit status 78).
    pub fn status(&self) -> Status {
        let code = if self.rule == Rule::Context {
            Code::InvalidArgument
        } else {
            Code::FailedPrecondition
        };
        Status::new(code, self.to_string())
    }
}

impl fmt::Display for InvalidEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidEnvironment {
            rule,
            variable,
            expected,
            came,
        } = self;
        write!(
            f,
            "{variable}: expected {expected}, got {came}; correct what starts this process (rule {})",
            rule.id()
        )
    }
}

impl std::error::Error for InvalidEnvironment {}

impl Default for Environment {
    fn default() -> Self {
        Environment {
            spec: "1.0".to_owned(),
            mode: Mode::Structured,
            encoding: Encoding::Json,
            describe: false,
            features: BTreeSet::new(),
            function: String::new(),
            revision: String::new(),
            tenant: String::new(),
            memory_bytes: None,
            concurrency: 1,
            max_message_bytes: Limits::default().max_message_bytes,
            context: Context::default(),
        }
    }
}

impl Environment {
    /// Reads the variables of the specification and ignores all others. An empty value counts as
    /// not set. Feed it [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// A mode or an encoding that this version does not have; a number that is none; text that is
    /// not UTF-8; a context that [`Context::validate`] rejects. Nothing is repaired.
    pub fn from_vars<K, V>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, InvalidEnvironment>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut environment = Environment::default();
        for (name, value) in vars {
            let Some(name) = name.as_ref().to_str() else {
                continue;
            };
            if !(name.starts_with("FAAS_")
                || ["TRACEPARENT", "TRACESTATE", "BAGGAGE"].contains(&name))
            {
                continue;
            }
            let value = value.as_ref();
            let Some(text) = value.to_str() else {
                return Err(invalid(
                    Rule::EnvValue,
                    name,
                    "UTF-8",
                    value.as_encoded_bytes(),
                ));
            };
            if !text.is_empty() {
                environment.read(name, text)?;
            }
        }
        environment.context.validate().map_err(context_fault)?;
        Ok(environment)
    }

    fn read(&mut self, name: &str, text: &str) -> Result<(), InvalidEnvironment> {
        let context = &mut self.context;
        match name {
            "FAAS_SPEC" => {
                self.spec = version(text).ok_or_else(|| {
                    invalid(Rule::EnvValue, name, "a version like 1.0", text.as_bytes())
                })?
            }
            "FAAS_MODE" if text == "describe" => self.describe = true,
            "FAAS_MODE" => {
                let expected = "binary, structured, stream or describe";
                self.mode = text
                    .parse()
                    .map_err(|_| invalid(Rule::EnvMode, name, expected, text.as_bytes()))?;
            }
            "FAAS_ENCODING" => {
                let expected = "json, protobuf or capnp";
                self.encoding = text
                    .parse()
                    .map_err(|_| invalid(Rule::EnvMode, name, expected, text.as_bytes()))?;
            }
            "FAAS_FEATURES" => {
                let features = text
                    .split(',')
                    .map(str::trim)
                    .filter(|feature| !feature.is_empty());
                self.features = features.map(str::to_owned).collect();
            }
            "FAAS_FUNCTION" => self.function = text.to_owned(),
            "FAAS_REVISION" => self.revision = text.to_owned(),
            "FAAS_TENANT" => self.tenant = text.to_owned(),
            "FAAS_MEMORY_BYTES" => self.memory_bytes = Some(number(name, text, 1)?),
            "FAAS_CONCURRENCY" => self.concurrency = number(name, text, 1)?,
            "FAAS_MAX_MESSAGE_BYTES" => self.max_message_bytes = number(name, text, 1)?,
            "FAAS_INVOCATION_ID" => context.invocation_id = text.to_owned(),
            "FAAS_ATTEMPT" => context.attempt = number(name, text, 1)?,
            "FAAS_DEADLINE_MS" => context.deadline_ms = Some(number(name, text, i64::MIN)?),
            "TRACEPARENT" => context.traceparent = text.to_owned(),
            "TRACESTATE" => context.tracestate = text.to_owned(),
            "BAGGAGE" => context.baggage = text.to_owned(),
            _ => {
                if let Some(extra) = name.strip_prefix("FAAS_X_") {
                    if !is_extra_name(extra) {
                        let expected = "a name of the form FAAS_X_[A-Z][A-Z0-9_]*";
                        return Err(invalid(Rule::Context, name, expected, name.as_bytes()));
                    }
                    context.extra.insert(extra.to_owned(), text.to_owned());
                }
            }
        }
        Ok(())
    }

    /// The limits that this environment sets.
    pub fn limits(&self) -> Limits {
        Limits {
            max_message_bytes: self.max_message_bytes,
            ..Limits::default()
        }
    }

    /// Whether both sides have the feature.
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    /// The variables that a host sets, the reverse of [`from_vars`](Self::from_vars). Those of the
    /// context stand there in binary and structured mode only.
    ///
    /// # Errors
    ///
    /// A context that [`Context::validate`] rejects, and a control character in any value.
    pub fn to_vars(&self) -> Result<BTreeMap<String, String>, InvalidEnvironment> {
        let mut vars = BTreeMap::new();
        let mut set = |name: &str, value: String| {
            if !value.is_empty() {
                vars.insert(name.to_owned(), value);
            }
        };
        let one_shot = !self.describe && self.mode != Mode::Stream;
        set("FAAS_SPEC", self.spec.clone());
        set(
            "FAAS_MODE",
            if self.describe {
                "describe"
            } else {
                self.mode.name()
            }
            .to_owned(),
        );
        if !self.describe && self.mode != Mode::Binary {
            set("FAAS_ENCODING", self.encoding.name().to_owned());
        }
        set(
            "FAAS_FEATURES",
            self.features
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(","),
        );
        set("FAAS_FUNCTION", self.function.clone());
        set("FAAS_REVISION", self.revision.clone());
        set("FAAS_TENANT", self.tenant.clone());
        set(
            "FAAS_MEMORY_BYTES",
            self.memory_bytes
                .map(|bytes| bytes.to_string())
                .unwrap_or_default(),
        );
        set("FAAS_CONCURRENCY", self.concurrency.to_string());
        set("FAAS_MAX_MESSAGE_BYTES", self.max_message_bytes.to_string());
        if one_shot {
            let context = &self.context;
            context.validate().map_err(context_fault)?;
            set("FAAS_INVOCATION_ID", context.invocation_id.clone());
            if context.attempt > 0 {
                set("FAAS_ATTEMPT", context.attempt.to_string());
            }
            set(
                "FAAS_DEADLINE_MS",
                context
                    .deadline_ms
                    .map(|ms| ms.to_string())
                    .unwrap_or_default(),
            );
            set("TRACEPARENT", context.traceparent.clone());
            set("TRACESTATE", context.tracestate.clone());
            set("BAGGAGE", context.baggage.clone());
            for (name, value) in &context.extra {
                set(&format!("FAAS_X_{name}"), value.clone());
            }
        }
        match vars
            .iter()
            .find(|(_, value)| value.chars().any(char::is_control))
        {
            Some((name, value)) => Err(invalid(
                Rule::EnvValue,
                name,
                "text without control characters",
                value.as_bytes(),
            )),
            None => Ok(vars),
        }
    }
}

fn invalid(rule: Rule, variable: &str, expected: &str, came: &[u8]) -> InvalidEnvironment {
    InvalidEnvironment {
        rule,
        variable: variable.to_owned(),
        expected: expected.to_owned(),
        came: quote(came),
    }
}

fn context_fault(fault: InvalidContext) -> InvalidEnvironment {
    let variable = match fault.field.as_str() {
        "invocationId" => "FAAS_INVOCATION_ID".to_owned(),
        "extra" => "FAAS_X_*".to_owned(),
        trace => trace.to_ascii_uppercase(),
    };
    InvalidEnvironment {
        rule: fault.rule,
        variable,
        expected: fault.expected.into_owned(),
        came: fault.came,
    }
}

fn version(text: &str) -> Option<String> {
    let (major, minor) = text.split_once('.')?;
    let decimal = |part: &str| {
        !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit())
    };
    (decimal(major) && decimal(minor)).then(|| text.to_owned())
}

fn number<T: std::str::FromStr + PartialOrd>(
    name: &str,
    text: &str,
    least: T,
) -> Result<T, InvalidEnvironment> {
    match text.parse() {
        Ok(number) if number >= least && !text.starts_with('+') => Ok(number),
        _ => Err(invalid(
            Rule::EnvValue,
            name,
            "a decimal number in its range",
            text.as_bytes(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_sets_a_function_reads() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let environment = Environment {
            mode: Mode::Structured,
            encoding: Encoding::Capnp,
            features: ["chunks".to_owned()].into(),
            function: "resize".into(),
            revision: "r7".into(),
            tenant: "acme".into(),
            memory_bytes: Some(1 << 28),
            concurrency: 4,
            max_message_bytes: 4096,
            context: Context {
                invocation_id: "i-1".into(),
                attempt: 2,
                deadline_ms: Some(-5),
                traceparent: traceparent.into(),
                tracestate: "a=1".into(),
                baggage: "k=v".into(),
                extra: [("REGION".to_owned(), "north".to_owned())].into(),
            },
            ..Environment::default()
        };
        let vars = environment.to_vars().unwrap();
        assert_eq!(vars["FAAS_X_REGION"], "north");
        assert_eq!(Environment::from_vars(&vars).unwrap(), environment);

        let streaming = Environment {
            mode: Mode::Stream,
            ..environment.clone()
        };
        assert!(
            !streaming
                .to_vars()
                .unwrap()
                .contains_key("FAAS_INVOCATION_ID")
        );
    }

    #[test]
    fn nothing_is_repaired() {
        for (name, value, rule) in [
            ("FAAS_MODE", "batch", "env-missing-mode"),
            ("FAAS_ENCODING", "JSON", "env-missing-mode"),
            ("FAAS_SPEC", "one", "env-value"),
            ("FAAS_CONCURRENCY", "0", "env-value"),
            ("FAAS_CONCURRENCY", "+1", "env-value"),
            ("FAAS_ATTEMPT", "4294967296", "env-value"),
            ("FAAS_INVOCATION_ID", "a\nb", "context-malformed"),
            ("TRACEPARENT", "00-zz", "context-malformed"),
            ("FAAS_X_lower", "1", "context-malformed"),
        ] {
            let error = Environment::from_vars([(name, value)]).unwrap_err();
            assert_eq!(error.rule(), rule, "{error}");
            assert!(!error.status().is_ok());
        }
    }
}
