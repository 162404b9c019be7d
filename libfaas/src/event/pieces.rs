//! An event's data in pieces, and put together again.

use bytes::Bytes;

use super::{AttributeValue, Data, Event, InvalidEvent, Parts, Piece};
use crate::error::{Rule, quote};
use crate::{EventBuilder, Text};

impl Event {
    /// Cuts the data after at most `inline` bytes: the event to write first, with `more`, and the
    /// bytes to write in chunks. Text is cut between characters. JSON data goes as the characters of
    /// its text, under an explicit content type; no data as binary data of no bytes. None for Protobuf
    /// data, which has no pieces.
    ///
    /// ```
    /// use libfaas::Event;
    ///
    /// let event = Event::builder("1", "/s", "t").datacontenttype("text/plain").data("café").build()?;
    /// let (first, rest) = event.split(4).unwrap();
    /// assert_eq!(rest, "é");
    /// assert_eq!(first.complete(&rest)?, event);
    /// # Ok::<(), libfaas::InvalidEvent>(())
    /// ```
    pub fn split(&self, inline: usize) -> Option<(Event, Bytes)> {
        let none = Data::Binary(Bytes::new());
        let (first, rest) = match self.data().unwrap_or(&none) {
            Data::Binary(bytes) => {
                let at = inline.min(bytes.len());
                (Data::Binary(bytes.slice(..at)), bytes.slice(at..))
            }
            Data::Text(text) => cut_text(text, inline),
            Data::Json(json) => cut_text(json.text(), inline),
            Data::Proto { .. } => return None,
        };
        let mut parts = Parts::clone(&self.0);
        parts.data = Some(first);
        if matches!(self.data(), Some(Data::Json(_))) {
            let given = parts.attributes.get("datacontenttype");
            if given.is_none() {
                let implied = AttributeValue::String("application/json".into());
                parts.attributes.insert("datacontenttype", implied);
            }
        }
        let first = EventBuilder::from(parts).build_piece(Piece::First);
        Some((
            first.expect("a valid event stays one when its data is cut"),
            rest,
        ))
    }

    /// Puts an event that was read with `more` and the bytes of its chunks together.
    ///
    /// # Errors
    ///
    /// Text that is not UTF-8 in the end, and text under a JSON content type that is no JSON.
    pub fn complete(&self, rest: &[u8]) -> Result<Event, InvalidEvent> {
        let mut parts = Parts::clone(&self.0);
        parts.data = Some(match parts.data {
            Some(Data::Text(text)) => {
                let bytes = [text.as_str().as_bytes(), rest].concat();
                let text = String::from_utf8(bytes).map_err(|error| {
                    let at = error.utf8_error().valid_up_to();
                    let came = quote(&error.as_bytes()[at..error.as_bytes().len().min(at + 8)]);
                    InvalidEvent::new(
                        Rule::ChunkText,
                        "data",
                        "UTF-8 in all pieces together",
                        came,
                    )
                })?;
                Data::Text(text.into())
            }
            Some(Data::Binary(bytes)) => Data::Binary([&bytes[..], rest].concat().into()),
            // A first piece that is left out is one of no bytes; only binary data can be meant.
            None => Data::Binary(Bytes::copy_from_slice(rest)),
            Some(Data::Json(_) | Data::Proto { .. }) => {
                let expected = "binary or text as the first piece of data that goes on";
                return Err(InvalidEvent::new(
                    Rule::ChunkKind,
                    "data",
                    expected,
                    "data that has no pieces",
                ));
            }
        });
        EventBuilder::from(parts).build()
    }
}

fn cut_text(text: &Text, inline: usize) -> (Data, Bytes) {
    let (first, rest) = text.split_at(text.floor_char_boundary(inline));
    (Data::Text(first), rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_as_text_and_comes_back() {
        let event = Event::builder("1", "/s", "t")
            .json(&[1, 2, 3])
            .build()
            .unwrap();
        let (first, rest) = event.split(2).unwrap();
        assert_eq!(first.data(), Some(&Data::Text("[1".into())));
        assert_eq!(first.datacontenttype(), Some("application/json"));
        assert_eq!(first.complete(&rest).unwrap().data(), event.data());
        assert_eq!(first.complete(b"").unwrap_err().rule(), "event-data-json");
    }

    #[test]
    fn text_may_be_cut_inside_a_character_by_others() {
        let first = Event::builder("1", "/s", "t").data("caf").build().unwrap();
        assert_eq!(
            first.complete(b"\xC3\xA9").unwrap().data(),
            Some(&Data::Text("café".into()))
        );
        assert_eq!(first.complete(b"\xC3").unwrap_err().rule(), "chunk-text");
    }
}
