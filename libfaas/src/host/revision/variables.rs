//! The whole environment of an instance.

use std::collections::BTreeMap;

use super::{Revision, Settings};
use crate::host::Level;
use crate::{Code, Context, Environment, Event, Mode, Status, binary};

/// What Linux takes for one variable, with its name, the `=` and the NUL (MAX_ARG_STRLEN).
const MAX_VARIABLE_BYTES: usize = 128 << 10;

impl Revision {
    /// The whole environment of an instance: nothing of the host's own is in it (`env-clean`).
    /// `tmpdir` is as the function sees it. In binary and structured mode an instance lives for one
    /// `invocation`, whose context is in the environment too, and in binary mode its event.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT where the context or the event can't stand in an environment (`env-value`,
    /// `context-grammar`, `binary-attribute-limit`). Nothing is repaired.
    pub fn variables(
        &self,
        settings: &Settings,
        tmpdir: &str,
        invocation: Option<(&Context, &Event)>,
    ) -> Result<BTreeMap<String, String>, Status> {
        let environment = Environment {
            spec: self.spec.clone(),
            mode: self.mode,
            encoding: self.encoding,
            describe: false,
            features: self
                .chunks
                .then(|| "chunks".to_owned())
                .into_iter()
                .collect(),
            function: self.manifest.name.clone(),
            revision: self.id.clone(),
            tenant: self.tenant.clone(),
            // What nobody enforces is no limit (`isolation-memory-environment`).
            memory_bytes: self
                .bounds
                .memory
                .filter(|_| settings.level >= Level::Hygiene),
            concurrency: self.concurrency,
            max_message_bytes: settings.max_message_bytes,
            context: invocation.map_or_else(Context::default, |(context, _)| context.clone()),
        };
        let mut vars = environment
            .to_vars()
            .map_err(|fault| Status::new(Code::InvalidArgument, fault.to_string()))?;
        if let (Mode::Binary, Some((_, event))) = (self.mode, invocation) {
            let attributes = binary::to_vars(event)
                .map_err(|fault| Status::new(Code::InvalidArgument, fault.to_string()))?;
            vars.extend(attributes);
        }
        if let Some((name, value)) = vars.iter().find(|(name, value)| !fits(name, value)) {
            let message = format!(
                "{name}: expected at most {MAX_VARIABLE_BYTES} bytes without control characters, got {} bytes \
                 (rule env-value)",
                value.len()
            );
            return Err(Status::new(Code::InvalidArgument, message));
        }
        let own = [
            ("PATH", settings.path.as_str()),
            ("LANG", &settings.lang),
            ("TZ", &settings.tz),
            ("HOME", tmpdir),
        ];
        vars.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        vars.extend(self.manifest.env.clone());
        vars.insert("TMPDIR".to_owned(), tmpdir.to_owned());
        Ok(vars)
    }
}

fn fits(name: &str, value: &str) -> bool {
    name.len() + value.len() + 2 <= MAX_VARIABLE_BYTES && !value.chars().any(char::is_control)
}
