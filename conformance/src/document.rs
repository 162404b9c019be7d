//! JSON whose digits count: what an adapter passes on is compared as text, not as numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

/// The text of each item of an array.
pub(crate) fn items(text: &str) -> Result<Vec<String>, String> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(items
        .into_iter()
        .map(|item| item.get().to_owned())
        .collect())
}

/// The text of each member of an object.
pub(crate) fn members(text: &str) -> Result<BTreeMap<String, String>, String> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(members
        .into_iter()
        .map(|(name, value)| (name, value.get().to_owned()))
        .collect())
}

/// The text that stands at a JSON Pointer (RFC 6901).
pub(crate) fn at(text: &str, pointer: &str) -> Result<String, String> {
    Ok(text[place(text, pointer)?].to_owned())
}

/// Where the text that stands at a JSON Pointer begins and ends.
pub(crate) fn place(text: &str, pointer: &str) -> Result<Range<usize>, String> {
    let mut place = 0..text.len();
    for token in pointer.split('/').skip(1) {
        let outer = &text[place.clone()];
        let inner = match outer.trim_start().starts_with('[') {
            true => token.parse().ok().and_then(|index: usize| {
                let items: Vec<&RawValue> = serde_json::from_str(outer).ok()?;
                items.get(index).copied()
            }),
            false => {
                let name = token.replace("~1", "/").replace("~0", "~");
                let members: BTreeMap<String, &RawValue> =
                    serde_json::from_str(outer).map_err(|e| e.to_string())?;
                members.get(&name).copied()
            }
        };
        let inner = inner
            .ok_or_else(|| format!("there is nothing at {pointer}"))?
            .get();
        let start = inner.as_ptr() as usize - text.as_ptr() as usize;
        place = start..start + inner.len();
    }
    Ok(place)
}

/// Of what stands at a JSON Pointer, the index in its array, and how many items that has.
pub(crate) fn index(text: &str, pointer: &str) -> Option<(usize, usize)> {
    let (array, index) = pointer.rsplit_once('/')?;
    let index = index.parse().ok()?;
    let array = at(text, array).ok()?;
    let items = array.trim_start().starts_with('[').then(|| items(&array))?;
    Some((index, items.ok()?.len()))
}

/// Whether there is a number in a document that is written otherwise once it was a double.
pub(crate) fn has_odd_number(text: &str) -> bool {
    let inside = |parts: Result<Vec<String>, String>| {
        parts.is_ok_and(|parts| parts.iter().any(|part| has_odd_number(part)))
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{') => inside(members(text).map(|members| members.into_values().collect())),
        Some(b'[') => inside(items(text)),
        Some(b'-' | b'0'..=b'9') => {
            let double = text.trim().parse::<f64>();
            double.is_ok_and(|double| double.to_string() != text.trim())
        }
        Some(_) => false,
        None => false,
    }
}

/// A document without the line ends between its values; in JSON they stand nowhere else.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// The same value as the same text: members by name, no white space, strings without escapes that
/// need not be; numbers as they are.
pub(crate) fn canonical(text: &str) -> Result<String, String> {
    let text = text.trim();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let mut members = members(text)?.into_iter().map(|(name, value)| {
                Ok(format!(
                    "{}:{}",
                    serde_json::Value::from(name),
                    canonical(&value)?
                ))
            });
            format!(
                "{{{}}}",
                members
                    .by_ref()
                    .collect::<Result<Vec<_>, String>>()?
                    .join(",")
            )
        }
        Some(b'[') => {
            let items: Result<Vec<_>, String> =
                items(text)?.iter().map(|item| canonical(item)).collect();
            format!("[{}]", items?.join(","))
        }
        // Half a surrogate pair is no text; it stays as it was written.
        Some(b'"') => serde_json::from_str::<serde_json::Value>(text)
            .map_or(text.to_owned(), |value| value.to_string()),
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_and_spelling_does_not() {
        let same = |a, b| canonical(a).unwrap() == canonical(b).unwrap();
        assert!(same(
            r#"{"a":1.10, "b" : ["\u00e9"]}"#,
            "{\"b\":[\"é\"],\n\"a\":1.10}"
        ));
        assert!(!same("1.10", "1.1"));
        assert!(!same("12345678901234567890", "12345678901234567000"));
        assert!(has_odd_number(r#"{"a":["1",{"b":-1.0}]}"#));
        assert!(has_odd_number("[12345678901234567890]"));
        assert!(!has_odd_number(r#"{"1":["2.0",null,true, 7, 1.5]}"#));
        assert_eq!(index(r#"{"a":[1,2]}"#, "/a/1"), Some((1, 2)));
        assert_eq!(index(r#"{"a":{"0":2}}"#, "/a/0"), None);
        assert_eq!(at(r#"{"a/b":[1, {"c":2.0}]}"#, "/a~1b/1/c").unwrap(), "2.0");
    }
}
