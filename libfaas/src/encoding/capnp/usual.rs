//! Events as nearly all writers lay them out: one segment, no far pointers, lists of structs as
//! such, nothing shared. They are read with a few comparisons for each pointer. Whatever else
//! comes, right or wrong, is `None` here and the library's to read: this decides nothing.

use super::Segments;
use crate::Limits;
use crate::encoding::view::{DataView, ValueView};
use crate::text::utf8;

/// An event of which everything has been read once.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    body: &'a [u8],
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) specversion: &'a str,
    pub(super) ty: &'a str,
    attributes: List,
    pub(super) data: Option<DataView<'a>>,
}

/// Structs of one size, one behind the other.
#[derive(Clone, Copy, Default)]
struct List {
    /// Where the first one begins.
    start: usize,
    count: usize,
    /// Bytes of data and of pointers that each has.
    data: usize,
    pointers: usize,
}

/// A struct: its data, and where its pointers stand.
struct Struct<'a> {
    data: &'a [u8],
    pointers: usize,
}

impl<'a> Event<'a> {
    pub(super) fn read(bytes: &'a [u8], limits: &Limits) -> Option<Self> {
        let body = Segments::new(bytes, limits).ok()?.only()?;
        let mut reader = Reader {
            body,
            left: body.len() / 8,
        };
        let event = reader.structure(0, 1, 6)?;
        let field = |index: usize| event.pointers + 8 * index;
        let attributes = reader.list(field(4), 1, 2)?;
        let data = match short(event.data, 0)? {
            0 => None,
            1 => Some(DataView::Binary(reader.bytes(field(5))?)),
            2 => Some(DataView::Text(reader.text(field(5))?)),
            3 => {
                let any = reader.structure(field(5), 0, 2)?;
                Some(DataView::Proto {
                    type_url: reader.text(any.pointers)?,
                    value: reader.bytes(any.pointers + 8)?,
                })
            }
            _ => return None,
        };
        let event = Event {
            body,
            id: reader.text(field(0))?,
            source: reader.text(field(1))?,
            specversion: reader.text(field(2))?,
            ty: reader.text(field(3))?,
            attributes,
            data,
        };
        for index in 0..attributes.count {
            reader.attribute(attributes.item(body, index)?)?;
        }
        Some(event)
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, ValueView<'a>)> {
        let (body, list) = (self.body, self.attributes);
        (0..list.count).filter_map(move |index| {
            // What was read once can be read again.
            let mut reader = Reader {
                body,
                left: usize::MAX,
            };
            reader.attribute(list.item(body, index)?)
        })
    }

    pub(super) fn attribute(&self, name: &str) -> Option<ValueView<'a>> {
        let mut reader = Reader {
            body: self.body,
            left: usize::MAX,
        };
        let items =
            (0..self.attributes.count).filter_map(|index| self.attributes.item(self.body, index));
        for item in items {
            if reader.text_bytes(item.pointers)? == name.as_bytes() {
                return Some(reader.attribute(item)?.1);
            }
        }
        None
    }
}

impl List {
    fn item<'a>(&self, body: &'a [u8], index: usize) -> Option<Struct<'a>> {
        let start = self.start + index * (self.data + self.pointers);
        Some(Struct {
            data: body.get(start..start + self.data)?,
            pointers: start + self.data,
        })
    }
}

struct Reader<'a> {
    body: &'a [u8],
    /// Words that may still be read: no more than there are, so that nobody has us read one twice.
    left: usize,
}

impl<'a> Reader<'a> {
    /// The pointer at a place, and where it leads, in bytes.
    fn pointer(&self, at: usize) -> Option<(u64, usize)> {
        let pointer = u64::from_le_bytes(*self.body.get(at..)?.first_chunk()?);
        // Words from the pointer's end, in the upper 30 of the lower 32 bits.
        let offset = i64::from(pointer as u32 as i32 >> 2);
        let target = (at as i64 / 8 + 1).checked_add(offset)?;
        Some((pointer, usize::try_from(target).ok()?.checked_mul(8)?))
    }

    fn charge(&mut self, words: usize) -> Option<()> {
        self.left = self.left.checked_sub(words)?;
        Some(())
    }

    /// A struct with at least so many words.
    fn structure(&mut self, at: usize, data: usize, pointers: usize) -> Option<Struct<'a>> {
        let (pointer, start) = self.pointer(at)?;
        let (has_data, has_pointers) = sizes(pointer);
        if pointer == 0 || pointer & 3 != 0 || has_data < data || has_pointers < pointers {
            return None;
        }
        self.charge(has_data + has_pointers)?;
        self.body
            .get(start..start.checked_add(8 * (has_data + has_pointers))?)?;
        let behind = start + 8 * has_data;
        Some(Struct {
            data: &self.body[start..behind],
            pointers: behind,
        })
    }

    /// A list of structs with at least so many words each.
    fn list(&mut self, at: usize, data: usize, pointers: usize) -> Option<List> {
        let (pointer, start) = self.pointer(at)?;
        if pointer == 0 {
            return Some(List::default());
        }
        if pointer & 3 != 1 || pointer >> 32 & 7 != 7 {
            return None;
        }
        let words = (pointer >> 35) as usize;
        self.charge(words + 1)?;
        let list = self.body.get(start..start.checked_add(8 * (words + 1))?)?;
        let tag = u64::from_le_bytes(*list.first_chunk()?);
        let (has_data, has_pointers) = sizes(tag);
        let count = (tag as u32 >> 2) as usize;
        if tag & 3 != 0
            || has_data < data
            || has_pointers < pointers
            || count.checked_mul(has_data + has_pointers)? > words
        {
            return None;
        }
        Some(List {
            start: start + 8,
            count,
            data: 8 * has_data,
            pointers: 8 * has_pointers,
        })
    }

    fn bytes(&mut self, at: usize) -> Option<&'a [u8]> {
        let (pointer, start) = self.pointer(at)?;
        if pointer == 0 {
            return Some(&[]);
        }
        if pointer & 3 != 1 || pointer >> 32 & 7 != 2 {
            return None;
        }
        let count = (pointer >> 35) as usize;
        self.charge(count.div_ceil(8))?;
        self.body.get(start..start.checked_add(count)?)
    }

    /// The bytes of a text, without the NUL that ends it.
    fn text_bytes(&mut self, at: usize) -> Option<&'a [u8]> {
        let (pointer, _) = self.pointer(at)?;
        if pointer == 0 {
            return Some(&[]);
        }
        self.bytes(at)?.strip_suffix(&[0])
    }

    fn text(&mut self, at: usize) -> Option<&'a str> {
        utf8(self.text_bytes(at)?).ok()
    }

    fn attribute(&mut self, item: Struct<'a>) -> Option<(&'a str, ValueView<'a>)> {
        let name = self.text(item.pointers)?;
        let value = item.pointers + 8;
        let value = match short(item.data, 2)? {
            0 => ValueView::Boolean(item.data.first()? & 1 == 1),
            1 => ValueView::Integer(integer(item.data, 4)?),
            2 => ValueView::String(self.text(value)?),
            3 => ValueView::Binary(self.bytes(value)?),
            4 => ValueView::Uri(self.text(value)?),
            5 => ValueView::UriRef(self.text(value)?),
            6 => {
                let time = self.structure(value, 2, 0)?;
                ValueView::Timestamp {
                    seconds: i64::from_le_bytes(*time.data.first_chunk()?),
                    nanos: integer(time.data, 8)?,
                }
            }
            _ => return None,
        };
        Some((name, value))
    }
}

/// Words of data and of pointers, as the upper half of a struct's pointer says.
fn sizes(pointer: u64) -> (usize, usize) {
    ((pointer >> 32) as u16 as usize, (pointer >> 48) as usize)
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

fn integer(data: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}
