//! A document of JSON or YAML as a tree in which every node knows its place.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};

use super::ManifestError;
use crate::encoding::json::reader::{Kind, Reader, Twice};
use crate::error::{Rule, quote};

/// A value and the line and column that it begins at, from 1.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: (u64, u64),
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// The number as its text.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Members in their order, each name with its place.
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// What came, for a message to people.
    pub(super) fn describe(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Boolean(value) => value.to_string(),
            Value::Number(text) => format!("the number {text}"),
            Value::Text(text) => quote(text.as_bytes()),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads one document of YAML, which has no merge keys and no other extensions here.
pub(super) fn from_yaml(text: &str) -> Result<Node, ManifestError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let tree = serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options);
    tree.map(Node::from).map_err(|error| {
        use serde_saphyr::Error;
        let rule = match error.without_snippet() {
            Error::DuplicateMappingKey { .. } => Rule::ManifestDuplicate,
            Error::MultipleDocuments { .. } => Rule::ManifestOne,
            _ => Rule::ManifestSchema,
        };
        let place = error
            .location()
            .map_or((0, 0), |place| (place.line(), place.column()));
        // The library ends its own messages with the place.
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        ManifestError::new(rule, format!("can't be read as YAML: {message}")).at(place)
    })
}

/// A node as serde brings it, its place taken from the YAML reader.
struct Tree(Value);

impl From<Spanned<Tree>> for Node {
    fn from(tree: Spanned<Tree>) -> Self {
        Node {
            place: (tree.referenced.line(), tree.referenced.column()),
            value: tree.value.0,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON can say too: a map, a list, text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(Value::Number(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(Value::Number(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        // Debug keeps the `.0` that makes it recognisable.
        Ok(Tree(Value::Number(format!("{value:?}"))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(item.into());
        }
        Ok(Tree(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some((name, value)) = members.next_entry::<Spanned<Tree>, Spanned<Tree>>()? {
            let name = Node::from(name);
            if !matches!(name.value, Value::Text(_)) {
                let came = name.value.describe();
                return Err(de::Error::custom(format!(
                    "expected text as a key, got {came}"
                )));
            }
            map.push((name, value.into()));
        }
        Ok(Tree(Value::Map(map)))
    }
}

/// Reads one document of JSON.
pub(super) fn from_json(text: &str) -> Result<Node, ManifestError> {
    let lines = Lines::of(text);
    let mut reader = Reader::new(text, 128);
    let node = json_node(&mut reader, &lines).and_then(|node| reader.end().map(|()| node));
    node.map_err(|fault| {
        let twice = fault.rule() == Rule::JsonDuplicate.id();
        let rule = if twice {
            Rule::ManifestDuplicate
        } else {
            Rule::ManifestSchema
        };
        let message = format!(
            "can't be read as JSON: expected {}, got {}",
            fault.expected(),
            fault.came()
        );
        ManifestError::new(rule, message).at(lines.place(fault.offset() as usize))
    })
}

fn json_node(reader: &mut Reader<'_>, lines: &Lines) -> Result<Node, crate::Violation> {
    let place = lines.place(reader.offset());
    let value = match reader.kind()? {
        Kind::Object => {
            let mut map = Vec::new();
            reader.object(Twice::Malformed, |reader, name| {
                let place = lines.place(reader.name_offset());
                let name = Node {
                    value: Value::Text(name.into_owned()),
                    place,
                };
                map.push((name, json_node(reader, lines)?));
                Ok(())
            })?;
            Value::Map(map)
        }
        Kind::Array => {
            let mut list = Vec::new();
            reader.array(|reader| {
                list.push(json_node(reader, lines)?);
                Ok(())
            })?;
            Value::List(list)
        }
        Kind::String => {
            let string = reader.string()?;
            Value::Text(
                string
                    .decode()
                    .map_or_else(|_| string.raw.to_owned(), Into::into),
            )
        }
        Kind::Number => Value::Number(reader.value(Twice::Malformed)?.text.to_owned()),
        Kind::Boolean => Value::Boolean(reader.value(Twice::Malformed)?.text == "true"),
        Kind::Null => reader.value(Twice::Malformed).map(|_| Value::Null)?,
    };
    Ok(Node { value, place })
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(starts).collect())
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, offset: usize) -> (u64, u64) {
        let line = self.0.partition_point(|&start| start <= offset);
        (line as u64, (offset - self.0[line - 1]) as u64 + 1)
    }
}
