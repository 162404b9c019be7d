//! An encoded event read where it stands.

use super::event::{Required, attribute, read_data};
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
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut view = View {
            attributes: &[],
            required: Required::default(),
            data: None,
        };
        let mut fields = Fields::new(bytes, 0);
        let (mut before, mut first) = (0, None);
        while let Some(field) = fields.next()? {
            match (field.number, field.value) {
                (5, Value::Bytes(entry)) => {
                    attribute(field.fields(entry))?;
                    let first = *first.get_or_insert(before);
                    view.attributes = &bytes[first..fields.offset()];
                }
                _ if view.required.read(field)? => {}
                _ => read_data(field, &mut view.data)?,
            }
            before = fields.offset();
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
        let mut fields = Fields::new(self.attributes, 0);
        while let Ok(Some(field)) = fields.next() {
            if let (5, Value::Bytes(entry)) = (field.number, field.value)
                && may_be(name, entry)
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

/// False where an entry that is written as all writers do it, its name and then its value, has
/// another name. Any other entry is to be read in full.
fn may_be(name: &str, entry: &[u8]) -> bool {
    const NAME: u8 = 1 << 3 | 2;
    const VALUE: u8 = 2 << 3 | 2;
    let [NAME, length @ ..0x80, rest @ ..] = entry else {
        return true;
    };
    match rest.split_at_checked(usize::from(*length)) {
        Some((other, [VALUE, length @ ..0x80, value @ ..]))
            if value.len() == usize::from(*length) =>
        {
            other == name.as_bytes()
        }
        _ => true,
    }
}
