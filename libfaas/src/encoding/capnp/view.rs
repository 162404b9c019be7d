//! An encoded event read where it stands.

use capnp::message::{Reader, ReaderOptions};
use faas_schemas::fsi_capnp::event;

use super::event::{data, value};
use super::{Segments, malformed, open, text, usual};
use crate::encoding::view::{DataView, ValueView, required};
use crate::{Limits, Violation};

pub(crate) enum View<'a> {
    Usual(usual::Event<'a>),
    Other(Other<'a>),
}

/// An event that is laid out in another way.
pub(crate) struct Other<'a> {
    /// Without a traversal limit: `new` has been through everything under one.
    reader: Reader<Segments<'a>>,
}

impl<'a> View<'a> {
    /// Reads all fields once, so that no later look-up can fail.
    pub(crate) fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, Violation> {
        if let Some(event) = usual::Event::read(bytes, limits) {
            required(event.id, event.source, event.specversion, event.ty)
                .map_err(|fault| Violation::invalid_event(0, fault))?;
            return Ok(View::Usual(event));
        }
        Other::new(bytes, limits).map(View::Other)
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            View::Usual(event) => event.id,
            View::Other(view) => view.id(),
        }
    }

    pub(crate) fn source(&self) -> &str {
        match self {
            View::Usual(event) => event.source,
            View::Other(view) => view.source(),
        }
    }

    pub(crate) fn ty(&self) -> &str {
        match self {
            View::Usual(event) => event.ty,
            View::Other(view) => view.ty(),
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<ValueView<'_>> {
        match self {
            View::Usual(event) => event.attribute(name),
            View::Other(view) => view.attribute(name),
        }
    }

    pub(crate) fn data(&self) -> Option<DataView<'_>> {
        match self {
            View::Usual(event) => event.data,
            View::Other(view) => view.data(),
        }
    }
}

impl<'a> Other<'a> {
    fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, Violation> {
        let checked = open(bytes, limits)?;
        let root = checked.get_root::<event::Reader<'_>>().map_err(malformed)?;
        let invalid = |fault| Violation::invalid_event(0, fault);
        for attribute in root.get_attributes().map_err(malformed)? {
            value(text(attribute.get_name())?, attribute)?.map_err(invalid)?;
        }
        data(root)?.map_err(invalid)?;
        let [id, source, specversion, ty] = [
            root.get_id(),
            root.get_source(),
            root.get_spec_version(),
            root.get_type(),
        ]
        .map(text);
        required(id?, source?, specversion?, ty?).map_err(invalid)?;
        let options = ReaderOptions {
            traversal_limit_in_words: None,
            nesting_limit: limits.capnp_depth,
        };
        Ok(Other {
            reader: Reader::new(Segments::new(bytes, limits)?, options),
        })
    }

    fn id(&self) -> &str {
        self.root()
            .map(|root| text(root.get_id()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    fn source(&self) -> &str {
        self.root()
            .map(|root| text(root.get_source()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    fn ty(&self) -> &str {
        self.root()
            .map(|root| text(root.get_type()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<ValueView<'_>> {
        let named = |attribute: &faas_schemas::fsi_capnp::attribute::Reader<'_>| {
            text(attribute.get_name()) == Ok(name)
        };
        let attribute = self.root()?.get_attributes().ok()?.iter().find(named)?;
        value(name, attribute).ok()?.ok()
    }

    fn data(&self) -> Option<DataView<'_>> {
        data(self.root()?).ok()?.ok()?
    }

    fn root(&self) -> Option<event::Reader<'_>> {
        self.reader.get_root().ok()
    }
}
