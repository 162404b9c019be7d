//! What is wrong with a manifest, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Rule;
use crate::{Code, Status};

/// A manifest that can't be used: where, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    rule: Rule,
    path: Option<PathBuf>,
    place: Option<(u64, u64)>,
    message: String,
}

impl ManifestError {
    pub(super) fn new(rule: Rule, message: impl Into<String>) -> Self {
        ManifestError {
            rule,
            path: None,
            place: None,
            message: message.into(),
        }
    }

    /// Gives the place; line 0 stands for none.
    pub(super) fn at(mut self, place: (u64, u64)) -> Self {
        self.place = (place.0 > 0).then_some(place);
        self
    }

    /// Names the member that the fault is in, unless the message begins with a name.
    pub(super) fn of_member(mut self, name: &str) -> Self {
        if !self.message.starts_with('`') {
            self.message = format!("`{name}`: {}", self.message);
        }
        self
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// The identifier of the broken rule, a heading in the specification.
    pub fn rule(&self) -> &'static str {
        self.rule.id()
    }

    /// Line of the text, from 1, where it is known.
    pub fn line(&self) -> Option<u64> {
        self.place.map(|(line, _)| line)
    }

    /// Column of the line, from 1, where it is known.
    pub fn column(&self) -> Option<u64> {
        self.place.map(|(_, column)| column)
    }

    /// FAILED_PRECONDITION where this side is not what the manifest asks for, else INVALID_ARGUMENT.
    pub fn status(&self) -> Status {
        let code = match self.rule {
            Rule::ManifestMajor | Rule::ManifestCommon | Rule::ManifestTrigger => {
                Code::FailedPrecondition
            }
            _ => Code::InvalidArgument,
        };
        Status::new(code, self.to_string())
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}", path.display())?,
            None => write!(f, "manifest")?,
        }
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} (rule {})", self.message, self.rule.id())
    }
}

impl std::error::Error for ManifestError {}
