//! What an adapter is.

use crate::json::Value;
use crate::{Answer, Delivery, Error, Outcome, Response};

/// A mapping of one source's events, both ways. Everything it needs is in its arguments.
pub trait Adapter: Sync {
    /// What there is to know about it without running it.
    fn about(&self) -> &'static About;

    /// Whether the delivery can be told to be of this source, by its payload (None where that is no
    /// JSON) and its headers.
    fn recognizes(&self, delivery: &Delivery, payload: Option<Value<'_>>) -> bool;

    /// The events of a delivery, one for each record, in order.
    ///
    /// # Errors
    ///
    /// The first place that the mapping can't do with; then no record becomes an event.
    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error>;

    /// What the vendor expects back, made of the answers to the events of `delivery`, in their
    /// order. An event without a definite OK is reported as failed.
    ///
    /// # Errors
    ///
    /// [`Kind::NoReply`](crate::Kind::NoReply) where the vendor expects nothing; else as [`events`](Self::events).
    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let _ = (delivery, answers);
        Err(Error::no_reply(self.about().name))
    }
}

/// A mapping's description.
#[derive(Debug)]
pub struct About {
    /// The source's name, `vendor.event`, as `faas-adapt` takes it.
    pub name: &'static str,
    /// What the vendor calls it.
    pub title: &'static str,
    /// Who wrote the mapping.
    pub origin: Origin,
    /// How a delivery of it is told from others, in words; None if it can't be.
    pub detected_by: Option<&'static str>,
    /// What the vendor expects back, in words; None if nothing.
    pub reply: Option<&'static str>,
}

impl About {
    /// The mapping's section of `spec/adapters.md`: its table, its notes. Markdown.
    pub fn mapping(&self) -> Option<&'static str> {
        let page = include_str!("../../spec/adapters.md");
        let heading = format!("### `{}`\n", self.name);
        let start = page.find(&heading)?;
        let body = &page[start + heading.len()..];
        let end = ["\n## ", "\n### "]
            .iter()
            .filter_map(|next| body.find(next))
            .min();
        Some(page[start..start + heading.len() + end.unwrap_or(body.len())].trim_end())
    }
}

/// Who wrote a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A published document, by its address; it is followed to the letter.
    Published(&'static str),
    /// None is published: `spec/adapters.md` prescribes one.
    Prescribed,
    /// There is none, since the vendor does not send an event: it is recognized in order to say so.
    Refused,
}
