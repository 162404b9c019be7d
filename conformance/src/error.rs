//! The one error of the suite itself, as against findings about a subject.

use crate::exit;

/// Why the suite did not judge: one sentence on what is wrong, one on what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  {advice}")]
pub struct Error {
    what: String,
    advice: String,
    exit: u8,
}

/// Shorthand for results of the suite.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The person's input is wrong.
    pub fn usage(what: impl Into<String>, advice: impl Into<String>) -> Error {
        Error {
            what: what.into(),
            advice: advice.into(),
            exit: exit::USAGE,
        }
    }

    /// The input is right and still no verdict is possible.
    pub fn not_judged(what: impl Into<String>, advice: impl Into<String>) -> Error {
        Error {
            what: what.into(),
            advice: advice.into(),
            exit: exit::NOT_JUDGED,
        }
    }

    /// Whoever reads stdout is gone, or its disk is full.
    pub fn stdout(e: std::io::Error) -> Error {
        Error::not_judged(
            format!("stdout can't be written: {e}"),
            "give it somewhere to go",
        )
    }

    /// The exit status that the suite ends with.
    pub fn exit(&self) -> u8 {
        self.exit
    }

    /// What is wrong, without the advice.
    pub fn what(&self) -> &str {
        &self.what
    }
}
