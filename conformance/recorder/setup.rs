//! What the arguments and the environment say.

use std::env;

use libfaas::{Context, Encoding, Mode};

use crate::step::Step;

pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) encoding: Encoding,
    pub(crate) max_message_bytes: usize,
    /// What to do before the hello.
    pub(crate) init: Vec<Step>,
    /// Which stage of a pipeline it is, from 1; 0 if none.
    pub(crate) stage: u32,
}

impl Setup {
    pub(crate) fn from_process() -> Result<Setup, String> {
        let named = |name: &str| env::var(name).ok();
        let mode = named("FAAS_MODE").unwrap_or_else(|| "structured".to_owned());
        let mode = mode
            .parse()
            .map_err(|_| format!("the recorder has no mode `{mode}`"))?;
        let encoding = named("FAAS_ENCODING").unwrap_or_else(|| "json".to_owned());
        let encoding = encoding
            .parse()
            .map_err(|_| format!("the recorder has no encoding `{encoding}`"))?;
        let mut setup = Setup {
            mode,
            encoding,
            max_message_bytes: named("FAAS_MAX_MESSAGE_BYTES")
                .and_then(|n| n.parse().ok())
                .unwrap_or(16 << 20),
            init: Vec::new(),
            stage: 0,
        };
        for argument in env::args().skip(1) {
            if let Some(steps) = argument.strip_prefix("--init=") {
                setup.init = serde_json::from_str(steps)
                    .map_err(|e| format!("--init={steps}: no steps: {e}"))?;
            } else if let Some(stage) = argument.strip_prefix("--stage=") {
                setup.stage = stage.parse().map_err(|e| format!("{argument}: {e}"))?;
            }
        }
        Ok(setup)
    }
}

/// The context of a process that lives for one invocation.
pub(crate) fn context() -> Context {
    let text = |name| env::var(name).unwrap_or_default();
    Context {
        invocation_id: text("FAAS_INVOCATION_ID"),
        attempt: text("FAAS_ATTEMPT").parse().unwrap_or(0),
        ..Context::default()
    }
}
