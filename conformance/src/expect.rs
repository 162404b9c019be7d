//! Patterns: JSON that must be contained in what came.
//!
//! An object matches if each of its members does; further members do not matter. `"$any"` matches
//! whatever is present, `"$absent"` what is not there, `…` in a string any text, `{"$min": N}` and
//! `{"$max": N}` numbers. `{"$not": P}` matches what P does not, `{"$one-of": [P, …]}` what one of
//! them does; `{"$each": P}`, `{"$some": P}` and `{"$none": P}` arrays all, some or none of whose
//! items match, and `{"$keys": [P, …]}` objects all of whose names match one. `"$keep:NAME"` matches
//! anything, which is `"$NAME"` from then on. Everything else matches what is equal to it.

use serde_json::{Map, Number, Value};

/// The suite's own `producer`; `"$other"` matches any but this.
pub const PRODUCER: &str = concat!("faas-conformance ", env!("CARGO_PKG_VERSION"));

/// What is wrong with `actual`, in words, or `None` if it matches.
pub fn mismatch(pattern: &Value, actual: &Value) -> Option<String> {
    at("", pattern, Some(actual))
}

fn at(path: &str, pattern: &Value, actual: Option<&Value>) -> Option<String> {
    let name = if path.is_empty() { "it" } else { path };
    let Some(actual) = actual else {
        return match pattern {
            Value::String(s) if s == "$absent" => None,
            Value::Object(one) if may_be_absent(one) => None,
            _ => Some(format!("`{name}` is missing")),
        };
    };
    match pattern {
        Value::String(s) if s == "$any" || s.starts_with(KEEP) => None,
        Value::String(s) if s == "$absent" => Some(format!("`{name}` is there: {actual}")),
        Value::String(s) if s == "$other" => (actual.as_str() == Some(PRODUCER))
            .then(|| format!("`{name}` is the suite's own: the subject sends back what it reads instead of speaking for itself")),
        Value::String(s) => match actual.as_str() {
            Some(text) if text_matches(s, text) => None,
            _ => Some(differs(name, pattern, actual)),
        },
        Value::Object(bounds) if is_bounds(bounds) => {
            let n = actual.as_f64();
            let min = bounds.get("$min").and_then(Value::as_f64).unwrap_or(f64::MIN);
            let max = bounds.get("$max").and_then(Value::as_f64).unwrap_or(f64::MAX);
            (!n.is_some_and(|n| (min..=max).contains(&n))).then(|| differs(name, pattern, actual))
        }
        Value::Object(one) if one.len() == 1 && one.keys().all(|k| OPERATORS.contains(&k.as_str())) => {
            let (operator, operand) = one.iter().next().expect("it has one");
            operated(name, operator, operand, actual)
        }
        Value::Object(members) => match actual {
            Value::Object(object) => members.iter().find_map(|(key, pattern)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                at(&path, pattern, object.get(key))
            }),
            _ => Some(differs(name, pattern, actual)),
        },
        Value::Array(items) => match actual {
            Value::Array(actual) if items.len() == actual.len() => {
                items.iter().zip(actual).enumerate().find_map(|(n, (p, a))| at(&format!("{name}[{n}]"), p, Some(a)))
            }
            _ => Some(differs(name, pattern, actual)),
        },
        Value::Number(n) => {
            // Two integers may differ where the nearest doubles do not.
            let whole = |n: &Number| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
            let same = actual.as_number().is_some_and(|actual| {
                match (whole(n), whole(actual)) {
                    (Some(n), Some(actual)) => n == actual,
                    _ => n.as_f64() == actual.as_f64(),
                }
            });
            (!same).then(|| differs(name, pattern, actual))
        }
        _ => (pattern != actual).then(|| differs(name, pattern, actual)),
    }
}

/// Members of a pattern that stand alone in their object.
const OPERATORS: &[&str] = &["$not", "$each", "$some", "$none", "$keys", "$one-of"];

/// What matches anything, and is remembered under the name behind it.
const KEEP: &str = "$keep:";

fn may_be_absent(members: &Map<String, Value>) -> bool {
    let choices = members.get("$one-of").and_then(Value::as_array);
    choices.is_some_and(|choices| choices.iter().any(|c| c == "$absent"))
}

/// What a pattern that matched asks to be remembered, by name.
pub fn kept(pattern: &Value, actual: &Value) -> Vec<(String, Value)> {
    match (pattern, actual) {
        (Value::String(s), value) => {
            let name = s.strip_prefix(KEEP);
            name.map(|name| (name.to_owned(), value.clone()))
                .into_iter()
                .collect()
        }
        (Value::Object(members), Value::Object(object)) => members
            .iter()
            .filter_map(|(key, pattern)| Some(kept(pattern, object.get(key)?)))
            .flatten()
            .collect(),
        _ => Vec::new(),
    }
}

fn operated(name: &str, operator: &str, operand: &Value, actual: &Value) -> Option<String> {
    let fits = |pattern: &Value, value: &Value| at(name, pattern, Some(value)).is_none();
    let listed = actual.as_array().map(Vec::as_slice);
    let patterns = operand
        .as_array()
        .map_or(std::slice::from_ref(operand), Vec::as_slice);
    match (operator, listed) {
        ("$not", _) => fits(operand, actual)
            .then(|| format!("`{name}` is {}, which it must not be", shortened(actual))),
        ("$one-of", _) => {
            (!patterns.iter().any(|p| fits(p, actual))).then(|| differs(name, operand, actual))
        }
        ("$each", Some(items)) => items
            .iter()
            .enumerate()
            .find_map(|(n, item)| at(&format!("{name}[{n}]"), operand, Some(item))),
        ("$some", Some(items)) => (!items.iter().any(|item| fits(operand, item))).then(|| {
            format!(
                "`{name}` has no {} in {}",
                shortened(operand),
                shortened(actual)
            )
        }),
        ("$none", Some(items)) => items
            .iter()
            .find(|item| fits(operand, item))
            .map(|item| format!("`{name}` has {}, which must not be there", shortened(item))),
        ("$keys", _) => match actual.as_object() {
            Some(object) => object
                .keys()
                .find(|key| !patterns.iter().any(|p| fits(p, &Value::from(key.as_str()))))
                .map(|key| format!("`{name}.{key}` is there and should not be")),
            None => Some(differs(name, operand, actual)),
        },
        _ => Some(differs(name, operand, actual)),
    }
}

fn is_bounds(members: &Map<String, Value>) -> bool {
    !members.is_empty() && members.keys().all(|k| k == "$min" || k == "$max")
}

fn differs(name: &str, pattern: &Value, actual: &Value) -> String {
    format!(
        "`{name}` is {}, expected {}",
        shortened(actual),
        shortened(pattern)
    )
}

/// Whether `text` is the pattern, where each `…` of it stands for any text.
pub fn text_matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// JSON for people: its beginning, if it is long.
pub fn shortened(value: &Value) -> String {
    const SHOWN: usize = 400;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} characters)", &text[..at], text.chars().count()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns() {
        let actual = json!({"call": 1, "end": {"code": "OK", "message": "all is well"}, "list": [1, 2], "large": 9_007_199_254_740_992_u64});
        for pattern in [
            json!({}),
            json!({"call": 1.0}),
            json!({"end": {"message": "all…well"}, "other": "$absent"}),
            json!({"end": "$any", "list": [1, {"$min": 2}]}),
            json!({"call": {"$not": 2}, "list": {"$each": {"$one-of": [1, 2]}}}),
            json!({"list": {"$none": 3}, "end": {"$keys": ["code", "mess…"]}}),
        ] {
            assert_eq!(mismatch(&pattern, &actual), None, "{pattern}");
        }
        for (pattern, why) in [
            (json!({"call": 2}), "`call` is 1, expected 2"),
            (
                json!({"end": {"code": "…K…K"}}),
                "`end.code` is \"OK\", expected \"…K…K\"",
            ),
            (
                json!({"end": {"reason": "$any"}}),
                "`end.reason` is missing",
            ),
            (
                json!({"end": "$absent"}),
                "`end` is there: {\"code\":\"OK\",\"message\":\"all is well\"}",
            ),
            (
                json!({"call": {"$not": 1}}),
                "`call` is 1, which it must not be",
            ),
            (json!({"list": {"$each": 1}}), "`list[1]` is 2, expected 1"),
            (
                json!({"list": {"$none": 2}}),
                "`list` has 2, which must not be there",
            ),
            (
                json!({"end": {"$keys": ["code"]}}),
                "`end.message` is there and should not be",
            ),
            (json!({"list": [1]}), "`list` is [1,2], expected [1]"),
            (
                json!({"large": 9_007_199_254_740_993_u64}),
                "`large` is 9007199254740992, expected 9007199254740993",
            ),
        ] {
            assert_eq!(
                mismatch(&pattern, &actual).as_deref(),
                Some(why),
                "{pattern}"
            );
        }
    }
}
