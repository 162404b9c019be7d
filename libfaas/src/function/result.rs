//! What a handler gives: an event, or one that still wants an id.

use crate::{Event, EventBuilder, InvalidEvent, Text};

/// A result, as [`Call::emit`](super::Call::emit) takes it: made from an [`Event`], or from an
/// [`EventBuilder`], which need not have an `id`.
#[derive(Clone, Debug)]
pub struct ResultEvent(Draft);

#[derive(Clone, Debug)]
enum Draft {
    Event(Event),
    Builder(Box<EventBuilder>),
}

/// Begins a result. It has no `id`: it gets the invocation's with a number behind it, which is the
/// same in every attempt, so that whoever receives it twice can tell.
///
/// ```
/// let greeting = libfaas::function::result("/hello", "example.greeting").data("Hello, World");
/// # libfaas::function::ResultEvent::from(greeting);
/// ```
pub fn result(source: impl Into<Text>, ty: impl Into<Text>) -> EventBuilder {
    Event::builder("", source, ty)
}

impl ResultEvent {
    pub(super) fn build(self, default_id: impl FnOnce() -> String) -> Result<Event, InvalidEvent> {
        match self.0 {
            Draft::Event(event) => Ok(event),
            Draft::Builder(builder) => builder.id_or_else(default_id).build(),
        }
    }
}

impl From<Event> for ResultEvent {
    fn from(event: Event) -> Self {
        ResultEvent(Draft::Event(event))
    }
}

impl From<EventBuilder> for ResultEvent {
    fn from(builder: EventBuilder) -> Self {
        ResultEvent(Draft::Builder(Box::new(builder)))
    }
}
