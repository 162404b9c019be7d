//! An encoded event read where it stands.

use super::event::{Required, attribute, parted, read_data, usual};
use super::wire::{Fields, Value};
use crate::encoding::view::{DataView, ValueView, required};
use crate::error::Violation;

/// All positions but the attributes', which are looked up when asked for.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// From the first attribute to behind the last one.
    attributes: &'a [u8],
    required: Required<'a>,
    data: Option<DataView<'a>>,
}

impl<'a> View<'a> {
    /// Reads all fields once, so that no later look-up can fail.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut view = View {
            attributes: &[],
            required: Required::default(),
            data: None,
        };
        let mut fields = Fields::new(bytes, 0);
        let (mut first, mut last) = (None, 0);
        loop {
            let before = fields.position() as usize;
            if let Some((number, bytes, behind)) = fields.short() {
                if number == 5 && usual(bytes).is_some() {
                    fields = behind;
                    first.get_or_insert(before);
                    last = fields.position() as usize;
                    continue;
                }
                if view.required.short(number, bytes) {
                    fields = behind;
                    continue;
                }
            }
            let mut any = fields;
            let Some(field) = any.next()? else {
                break;
            };
            fields = any;
            match (field.number, field.value) {
                (5, Value::Bytes(entry)) => {
                    attribute(field.fields(entry))?;
                    first.get_or_insert(before);
                    last = fields.position() as usize;
                }
                _ if view.required.read(field)? => {}
                _ => read_data(field, &mut view.data)?,
            }
        }
        view.attributes = &bytes[first.unwrap_or(last)..last];
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

    /// The last of the name counts. Of an entry with another name no more than that is read, as far
    /// as the entry is one that nearly all writers write.
    pub(crate) fn attribute(&self, name: &str) -> Option<ValueView<'a>> {
        let mut found = None;
        let mut fields = Fields::new(self.attributes, 0);
        loop {
            if let Some((number, bytes, behind)) = fields.short()
                && (number != 5 || parted(bytes).is_some_and(|(other, _)| other != name.as_bytes()))
            {
                fields = behind;
                continue;
            }
            let mut any = fields;
            let Ok(Some(field)) = any.next() else {
                break;
            };
            fields = any;
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
