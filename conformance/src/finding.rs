//! What a case finds: that a subject does not do what it should, or that it can't be asked.

/// Why the steps ended early.
#[derive(Debug)]
pub enum Stop {
    /// The subject does not do what the case expects.
    Finding(Finding),
    /// From here it can't be seen whether the subject does it: the reason.
    Unseen(String),
    /// The suite can't do what the case says; no fault of the subject.
    Suite(String),
    /// A signal told the suite to stop.
    Interrupted,
}

/// What was expected, what came, and what may help.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// What the subject should have done.
    pub expected: String,
    /// What it did.
    pub actual: String,
    /// A likely cause, and what to do.
    pub hint: Option<String>,
    /// The rule that its bytes break, where the decoder knows it.
    pub rule: Option<String>,
}

/// What a step comes to.
pub type Outcome<T = ()> = Result<T, Stop>;
