//! `Event` of our schema.

use std::collections::BTreeMap;

use faas_schemas::fsi_capnp::{attribute, event};

use super::{malformed, text, unknown_union, usual};
use crate::encoding::view::{DataView, ValueView};
use crate::error::{Rule, Violation, quote};
use crate::event::{Attributes, Parts, Piece, Sorted, Unsorted, check_specversion, owned_name};
use crate::text::Whole;
use crate::{Event, InvalidEvent};

/// The fields of an event, read and not yet judged.
pub(super) struct Draft<'a> {
    id: &'a str,
    source: &'a str,
    specversion: &'a str,
    ty: &'a str,
    attributes: Sorted<&'a str, ValueView<'a>>,
    data: Option<DataView<'a>>,
    /// The first fault that leaves the message readable.
    fault: Option<InvalidEvent>,
}

impl<'a> Draft<'a> {
    /// Reads everything once; an error is a malformed message.
    pub(super) fn read(event: event::Reader<'a>) -> Result<Self, Violation> {
        let mut draft = Draft {
            id: text(event.get_id())?,
            source: text(event.get_source())?,
            specversion: text(event.get_spec_version())?,
            ty: text(event.get_type())?,
            attributes: Sorted::default(),
            data: None,
            fault: None,
        };
        match data(event)? {
            Ok(data) => draft.data = data,
            Err(fault) => draft.fault = Some(fault),
        }
        let mut attributes = BTreeMap::new();
        for attribute in event.get_attributes().map_err(malformed)? {
            let name = text(attribute.get_name())?;
            let fault = match value(name, attribute)? {
                Err(fault) => fault,
                Ok(value) if attributes.insert(name, value).is_none() => continue,
                Ok(_) => {
                    let came = format!("{} twice", quote(name.as_bytes()));
                    InvalidEvent::new(Rule::CapnpOnce, name, "each attribute once", came)
                }
            };
            draft.fault.get_or_insert(fault);
        }
        for (name, value) in attributes {
            draft.attributes.push(name, value);
        }
        Ok(draft)
    }

    /// The same, unless an attribute stands twice.
    pub(super) fn of_usual(event: usual::Event<'a>) -> Option<Self> {
        let mut attributes = Unsorted::default();
        let mut count = 0;
        for (name, value) in event.attributes() {
            attributes.insert(name, value);
            count += 1;
        }
        let attributes = attributes.finish();
        (attributes.len() == count).then_some(Draft {
            id: event.id,
            source: event.source,
            specversion: event.specversion,
            ty: event.ty,
            attributes,
            data: event.data,
            fault: None,
        })
    }

    /// The event, its data shared with `whole`; an error is an invalid one.
    pub(super) fn build(self, whole: Whole<'_>, piece: Piece) -> Result<Event, Violation> {
        self.judge(whole, piece)
            .map_err(|fault| Violation::invalid_event(0, fault))
    }

    fn judge(self, whole: Whole<'_>, piece: Piece) -> Result<Event, InvalidEvent> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        check_specversion(Some(self.specversion))?;
        let mut parts = Parts {
            id: whole.text(self.id),
            source: whole.text(self.source),
            ty: whole.text(self.ty),
            ..Parts::default()
        };
        parts.attributes = Attributes::with_capacity(self.attributes.len());
        for (name, value) in self.attributes.into_iter() {
            let value = value.owned(name, whole)?;
            parts.attributes.push(owned_name(name), value);
        }
        parts.data = self.data.map(|data| data.owned(whole));
        parts.build(piece)
    }
}

/// A value that can be read, or one that makes the event invalid.
type Judged<T> = Result<T, InvalidEvent>;

pub(super) fn value<'a>(
    name: &str,
    attribute: attribute::Reader<'a>,
) -> Result<Judged<ValueView<'a>>, Violation> {
    use attribute::value::Which;
    let which = match attribute.get_value().which() {
        Ok(which) => which,
        Err(unknown) => return Ok(Err(unknown_union(name, unknown))),
    };
    Ok(Ok(match which {
        Which::Boolean(value) => ValueView::Boolean(value),
        Which::Integer(value) => ValueView::Integer(value),
        Which::String(value) => ValueView::String(text(value)?),
        Which::Bytes(value) => ValueView::Binary(value.map_err(malformed)?),
        Which::Uri(value) => ValueView::Uri(text(value)?),
        Which::UriRef(value) => ValueView::UriRef(text(value)?),
        Which::Timestamp(value) => {
            let time = value.map_err(malformed)?;
            ValueView::Timestamp {
                seconds: time.get_seconds(),
                nanos: time.get_nanos(),
            }
        }
    }))
}

pub(super) fn data(event: event::Reader<'_>) -> Result<Judged<Option<DataView<'_>>>, Violation> {
    use event::data::Which;
    let which = match event.get_data().which() {
        Ok(which) => which,
        Err(unknown) => return Ok(Err(unknown_union("data", unknown))),
    };
    Ok(Ok(match which {
        Which::None(()) => None,
        Which::Binary(bytes) => Some(DataView::Binary(bytes.map_err(malformed)?)),
        Which::Text(value) => Some(DataView::Text(text(value)?)),
        Which::Proto(any) => {
            let any = any.map_err(malformed)?;
            let value = any.get_value().map_err(malformed)?;
            Some(DataView::Proto {
                type_url: text(any.get_type_url())?,
                value,
            })
        }
    }))
}
