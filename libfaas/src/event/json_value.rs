//! Equality of JSON values that are kept as text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Whether two valid JSON texts stand for the same value. The recursion is as deep as the texts
/// are, which [`JsonText`](super::JsonText) bounds.
pub(super) fn equal(a: &str, b: &str) -> bool {
    match (Value::of(a), Value::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

#[derive(PartialEq)]
enum Value<'a> {
    Object(BTreeMap<Cow<'a, str>, Value<'a>>),
    Array(Vec<Value<'a>>),
    Text(Cow<'a, str>),
    /// Sign, significant digits, and the exponent of the last of them.
    Number(bool, String, i64),
    /// true, false and null; and strings with lone surrogates, which no Rust string can hold.
    Literal(&'a str),
}

impl<'a> Value<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_ascii();
        Some(match text.as_bytes().first()? {
            b'{' => {
                let members: BTreeMap<Key<'_>, &RawValue> = serde_json::from_str(text).ok()?;
                let values = members
                    .into_iter()
                    .map(|(key, raw)| Some((key.0, Value::of(raw.get())?)));
                Value::Object(values.collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Value::Array(
                    items
                        .into_iter()
                        .map(|raw| Value::of(raw.get()))
                        .collect::<Option<_>>()?,
                )
            }
            b'"' => match serde_json::from_str::<Key<'_>>(text) {
                Ok(string) => Value::Text(string.0),
                Err(_) => Value::Literal(text),
            },
            b'-' | b'0'..=b'9' => number(text)?,
            _ => Value::Literal(text),
        })
    }
}

/// Borrows where the string has no escapes; serde borrows a bare `Cow<str>` never.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn number(text: &str) -> Option<Value<'_>> {
    let negative = text.starts_with('-');
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    // An exponent that no i64 holds is compared as text.
    let exponent: i64 = exponent.parse().ok()?;
    let last = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let last = last.checked_add(i64::try_from(all.len() - digits.len()).ok()?)?;
    Some(match digits.trim_start_matches('0') {
        "" => Value::Number(false, String::new(), 0),
        digits => Value::Number(negative, digits.to_owned(), last),
    })
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn values_not_spelling() {
        for (a, b) in [
            ("1.0", "1"),
            ("100", "1e2"),
            ("-0.0", "0"),
            ("0.00120", "12E-4"),
            (
                r#"{"a":1,"b":[true,null]}"#,
                r#"{ "b" : [true, null], "a": 1.00 }"#,
            ),
            (r#""\u0041\/""#, r#""A/""#),
        ] {
            assert!(equal(a, b), "{a} = {b}");
        }
        for (a, b) in [
            ("12345678901234567890", "12345678901234567891"),
            ("1", "-1"),
            ("1", "\"1\""),
            ("[1,2]", "[2,1]"),
            ("{}", "[]"),
            ("null", "false"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#""\ud800""#, r#""\ud801""#),
        ] {
            assert!(!equal(a, b), "{a} ≠ {b}");
        }
    }
}
