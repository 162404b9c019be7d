//! Puts events together that come in pieces.

use super::Part;
use crate::{Event, InvalidEvent};

/// Puts the events of one direction of a call together, for who wants whole ones.
///
/// ```
/// use libfaas::{Data, Event, host::{Assembly, Part}};
///
/// let first = Event::builder("1", "/s", "t").data("caf").build()?;
/// let mut assembly = Assembly::default();
/// assert_eq!(assembly.add(Part { event: Some(first), more: true, ..Part::default() })?, None);
/// let rest = Part { chunk: Some("\u{e9}".into()), ..Part::default() };
/// assert_eq!(assembly.add(rest)?.unwrap().data(), Some(&Data::Text("café".into())));
/// # Ok::<(), libfaas::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    event: Option<Event>,
    /// The data that came in chunks.
    rest: Vec<u8>,
}

impl Assembly {
    /// Adds a part, whose `end` does not matter here; the event, once it is complete. The order of
    /// parts is the sender's business: a chunk without an event is dropped.
    ///
    /// # Errors
    ///
    /// Pieces that make no valid event.
    pub fn add(&mut self, part: Part) -> Result<Option<Event>, InvalidEvent> {
        if let Some(event) = part.event {
            if !part.more && part.chunk.is_none() {
                return Ok(Some(event));
            }
            self.rest.clear();
            self.event = Some(event);
        }
        if let Some(chunk) = part.chunk {
            self.rest.extend_from_slice(&chunk);
        } else if !part.more {
            return Ok(None);
        }
        match self.event.take_if(|_| !part.more) {
            Some(event) => event.complete(&std::mem::take(&mut self.rest)).map(Some),
            None => Ok(None),
        }
    }
}
