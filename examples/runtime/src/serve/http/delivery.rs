//! What a plain request says beside its body, as an adapter for vendors' events reads it
//! (spec/adapters.md, "Input").

use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};

/// The name of the description in a context's `extra`.
pub const DELIVERY: &str = "DELIVERY";

/// Describes a request: its method, path, query and headers.
pub fn describe(method: &Method, uri: &Uri, headers: &HeaderMap) -> String {
    let headers: Map<_, _> = headers
        .keys()
        .map(|name| {
            let mut values: Vec<_> = headers.get_all(name).iter().map(text).collect();
            let value = match values.len() {
                1 => values.remove(0),
                _ => Value::Array(values),
            };
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut description = json!({
        "transport": "http",
        "method": method.as_str(),
        "path": uri.path(),
        "headers": headers,
    });
    if let Some(query) = uri.query() {
        description["query"] = query.into();
    }
    description.to_string()
}

/// A context has no control characters (`context-malformed`), even if HTTP has some; JSON escapes a tab.
fn text(value: &http::HeaderValue) -> Value {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.replace(|c: char| c.is_control() && c != '\t', "\u{FFFD}")
        .into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use libfaas::Context;

    use super::*;

    fn described(uri: &str, list: &[(&str, &[u8])]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        describe(&Method::POST, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn all_that_a_request_says() {
        let description = described(
            "/acme/hook%20s?a=1&b",
            &[
                ("X-GitHub-Event", b"push"),
                ("x-twice", b"1"),
                ("X-Twice", b"2"),
            ],
        );
        let description: Value = serde_json::from_str(&description).unwrap();
        assert_eq!(
            description,
            json!({
                "transport": "http", "method": "POST", "path": "/acme/hook%20s", "query": "a=1&b",
                "headers": {"x-github-event": "push", "x-twice": ["1", "2"]},
            })
        );
        let bare: Value = serde_json::from_str(&described("/", &[])).unwrap();
        assert_eq!(
            bare,
            json!({"transport": "http", "method": "POST", "path": "/", "headers": {}})
        );
    }

    #[test]
    fn it_fits_into_a_context_whatever_the_headers() {
        for value in [&b"a\tb"[..], b"\xFF", "\u{85}\u{9F}é\"\\".as_bytes()] {
            let mut context = Context::default();
            let description = described("/", &[("x", value)]);
            context.extra.insert(DELIVERY.to_owned(), description);
            assert_eq!(context.validate(), Ok(()), "{value:?}");
        }
    }
}
