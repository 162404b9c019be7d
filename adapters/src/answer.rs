//! What became of an event.

use libfaas::{Event, Status};

/// The answer to one event: what the function gave, and how its call ended.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The results, in order.
    pub events: Vec<Event>,
    /// How the call ended; None if that is not known, which counts as failed.
    pub status: Option<Status>,
}

impl Answer {
    /// A call that ended OK with these results.
    pub fn ok(events: impl Into<Vec<Event>>) -> Self {
        Answer {
            events: events.into(),
            status: Some(Status::ok()),
        }
    }

    /// A call that ended with this status and no result.
    pub fn failed(status: Status) -> Self {
        Answer {
            events: Vec::new(),
            status: Some(status),
        }
    }

    /// Whether it ended with a definite OK.
    pub fn is_ok(&self) -> bool {
        self.status.as_ref().is_some_and(Status::is_ok)
    }
}

/// Whether each of so many items ended with a definite OK. With more answers than items nobody
/// knows which answer is whose, so none did.
pub(crate) fn verdicts(answers: &[Answer], items: usize) -> Vec<bool> {
    let fits = answers.len() <= items;
    (0..items)
        .map(|item| fits && answers.get(item).is_some_and(Answer::is_ok))
        .collect()
}
