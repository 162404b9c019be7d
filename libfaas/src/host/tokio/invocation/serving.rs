//! An invocation that an instance has.

use std::ops::Deref;
use std::sync::Arc;

use super::Invocation;
use crate::{Code, Status};

/// An invocation in the hands of an instance. Dropped there, for whatever reason, it ends.
pub(in super::super) struct Serving(Option<Arc<Invocation>>);

impl Serving {
    pub(in super::super) fn new(invocation: Arc<Invocation>) -> Self {
        Serving(Some(invocation))
    }

    /// Out of the instance's hands.
    pub(in super::super) fn take(mut self) -> Arc<Invocation> {
        self.0
            .take()
            .expect("only this takes it, and takes the whole")
    }
}

impl Deref for Serving {
    type Target = Arc<Invocation>;

    fn deref(&self) -> &Arc<Invocation> {
        self.0.as_ref().expect("it is there until it is taken")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(invocation) = self.0.take() {
            let message = "the host gave the instance up before the call had ended";
            invocation.finish(Status::new(Code::Unavailable, message));
        }
    }
}
