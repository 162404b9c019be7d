//! An encoded event read where it stands.

use super::event::{Required, attribute, read_data};
use super::wire::{Fields, Value};
use crate::encoding::view::{DataView, ValueView, required};
use crate::error::Violation;

/// All positions but the attributes', which are looked up when asked for.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    required: Required<'a>,
    data: Option<DataView<'a>>,
}

impl<'a> View<'a> {
    /// Reads all fields once, so that no later look-up can fail.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut view = View {
            bytes,
            required: Required::default(),
            data: None,
        };
        let mut fields = Fields::new(bytes, 0);
        while let Some(field) = fields.next()? {
            match (field.number, field.value) {
                (5, Value::Bytes(entry)) => drop(attribute(field.fields(entry))?),
                _ if view.required.read(field)? => {}
                _ => read_data(field, &mut view.data)?,
            }
        }
        let Required {
            id,
            source,
            specversion,
            ty,
        } = view.required;
        required(id, source, specversion, ty)
            .map_err(|fault| Violation::invalid_event(0, fault))?;
        Ok(view)
    }

    pub(crate) fn id(&self) -> &'a str {
        self.required.id
    }

    pub(crate) fn source(&self) -> &'a str {
        self.required.source
    }

    pub(crate) fn ty(&self) -> &'a str {
        self.required.ty
    }

    /// The last of the name counts.
    pub(crate) fn attribute(&self, name: &str) -> Option<ValueView<'a>> {
        let mut found = None;
        let mut fields = Fields::new(self.bytes, 0);
        while let Ok(Some(field)) = fields.next() {
            if let (5, Value::Bytes(entry)) = (field.number, field.value)
                && let Ok((key, value)) = attribute(field.fields(entry))
                && key == name
            {
                found = Some(value);
            }
        }
        found?
    }

    pub(crate) fn data(&self) -> Option<DataView<'a>> {
        self.data
    }
}
