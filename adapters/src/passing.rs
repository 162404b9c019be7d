//! What is a CloudEvent already is passed on by every adapter (rule `adapter-pass-through`).

use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Outcome, Response, cloudevents, http};

/// An adapter that maps only what is no CloudEvent yet.
pub(crate) struct Passing(pub(crate) &'static dyn Adapter);

impl Adapter for Passing {
    fn about(&self) -> &'static About {
        self.0.about()
    }

    fn recognizes(&self, delivery: &Delivery, payload: Option<Value<'_>>) -> bool {
        self.0.recognizes(delivery, payload)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        cloudevents::pass_through(delivery).unwrap_or_else(|| self.0.events(delivery))
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        match cloudevents::pass_through(delivery) {
            Some(outcome) => Ok(http::acknowledge(answers, outcome?.events.len())),
            None => self.0.reply(delivery, answers),
        }
    }
}
