//! An encoded event read where it stands.

use capnp::message::{Reader, ReaderOptions};
use faas_schemas::fsi_capnp::event;

use super::event::{data, value};
use super::{Segments, malformed, open, text};
use crate::encoding::view::{DataView, ValueView, required};
use crate::{Limits, Violation};

pub(crate) struct View<'a> {
    /// Without a traversal limit: `new` has been through everything under one.
    reader: Reader<Segments<'a>>,
}

impl<'a> View<'a> {
    /// Reads all fields once, so that no later look-up can fail.
    pub(crate) fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, Violation> {
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
        Ok(View {
            reader: Reader::new(Segments::new(bytes, limits)?, options),
        })
    }

    pub(crate) fn id(&self) -> &str {
        self.root()
            .map(|root| text(root.get_id()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    pub(crate) fn source(&self) -> &str {
        self.root()
            .map(|root| text(root.get_source()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    pub(crate) fn ty(&self) -> &str {
        self.root()
            .map(|root| text(root.get_type()))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<ValueView<'_>> {
        let named = |attribute: &faas_schemas::fsi_capnp::attribute::Reader<'_>| {
            text(attribute.get_name()) == Ok(name)
        };
        let attribute = self.root()?.get_attributes().ok()?.iter().find(named)?;
        value(name, attribute).ok()?.ok()
    }

    pub(crate) fn data(&self) -> Option<DataView<'_>> {
        data(self.root()?).ok()?.ok()?
    }

    fn root(&self) -> Option<event::Reader<'_>> {
        self.reader.get_root().ok()
    }
}
