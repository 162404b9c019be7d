//! What goes back to a vendor, compared by its meaning.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::document;

/// Whether a line is the response that a fixture describes.
pub(super) fn same(expected: &str, line: &str) -> Result<bool, String> {
    if let Some(value) = document::members(expected)?.get("value") {
        return Ok(meant(value)? == meant(line)?);
    }
    let [expected, came] =
        [expected, line].map(|text| serde_json::from_str::<Value>(text).map_err(|e| e.to_string()));
    let (expected, came) = (expected?, came?);
    let came = came.as_object().ok_or("no object")?;
    if expected.get("visit").is_some() {
        return Ok(expected.as_object() == Some(came));
    }
    let expected = expected["http"]
        .as_object()
        .ok_or("the fixture: no response")?;
    let (wanted, given) = (Http::read(expected)?, Http::read(came)?);
    let same_body = wanted.body == given.body
        || is_json(&expected.clone().into()) && same_json(&wanted.body, &given.body);
    Ok(wanted.status == given.status && wanted.headers == given.headers && same_body)
}

/// A response to an HTTP request, as spec/probe.md has an adapter write it.
struct Http {
    status: u64,
    /// Names in lower case: their case means nothing.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Http {
    fn read(members: &Map<String, Value>) -> Result<Http, String> {
        let known = ["status", "headers", "body", "body_base64"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("`{name}` is no member of a response"));
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`{name}` is no string")),
        };
        let body = match (text("body")?, text("body_base64")?) {
            (Some(_), Some(_)) => return Err("a body stands twice".to_owned()),
            (None, Some(base64)) => BASE64
                .decode(base64.as_bytes())
                .map_err(|e| e.to_string())?,
            (text, None) => text.unwrap_or_default().as_bytes().to_vec(),
        };
        let mut headers = BTreeMap::new();
        let none = Map::new();
        let given = match members.get("headers") {
            None => &none,
            Some(headers) => headers.as_object().ok_or("`headers` is no object")?,
        };
        for (name, value) in given {
            let value = value.as_str().ok_or("the value of a header is no string")?;
            if headers
                .insert(name.to_ascii_lowercase(), value.to_owned())
                .is_some()
            {
                return Err(format!("the header {name} stands twice"));
            }
        }
        Ok(Http {
            status: members
                .get("status")
                .and_then(Value::as_u64)
                .ok_or("`status` is no number")?,
            headers,
            body,
        })
    }
}

/// What an invocation returns, in canonical form; so is the text of a JSON body in it, whose white
/// space and order of members mean nothing.
fn meant(text: &str) -> Result<String, String> {
    if !text.trim_start().starts_with('{') {
        return document::canonical(text);
    }
    let json_body = is_json(&serde_json::from_str(text).unwrap_or_default());
    let mut members = document::members(text)?;
    for (name, value) in &mut members {
        let body = match name.as_str() {
            "body" if json_body => serde_json::from_str::<String>(value).ok(),
            _ => None,
        };
        *value = match body.and_then(|body| json_text(body.as_bytes())) {
            Some(body) => Value::from(body).to_string(),
            None => meant(value)?,
        };
    }
    let members = members.iter();
    let members: Vec<_> = members
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}

/// Whether the headers of a response, in any vendor's form, say that its body is JSON.
fn is_json(response: &Value) -> bool {
    let forms = ["headers", "multiValueHeaders"];
    let headers = forms
        .iter()
        .filter_map(|form| response.get(form)?.as_object());
    headers
        .flatten()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .filter_map(|(_, value)| value.as_str().or_else(|| value.get(0)?.as_str()))
        .filter_map(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .any(|kind| kind == "application/json" || kind.ends_with("+json"))
}

fn same_json(expected: &[u8], came: &[u8]) -> bool {
    json_text(expected).is_some_and(|expected| json_text(came) == Some(expected))
}

/// The canonical form of a JSON text; None if it is none.
fn json_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    document::canonical(text).ok()
}

#[cfg(test)]
mod tests {
    use super::same;

    fn http(kind: &str, body: &str) -> String {
        format!(
            r#"{{"http":{{"status":200,"headers":{{"content-type":"{kind}"}},"body":"{body}"}}}}"#
        )
    }

    fn came(kind: &str, body: &str) -> String {
        format!(r#"{{"status":200,"headers":{{"Content-Type":"{kind}"}},"body":"{body}"}}"#)
    }

    #[test]
    fn json_bodies_are_equal_as_values_to_the_digit() {
        let (one, spelled, other) = (
            r#"{\"a\":1.0,\"b\":2}"#,
            r#"{ \"b\": 2, \"a\": 1.0 }"#,
            r#"{\"a\":1.00,\"b\":2}"#,
        );
        for kind in [
            "application/json",
            "application/problem+json; charset=utf-8",
        ] {
            assert_eq!(same(&http(kind, one), &came(kind, spelled)), Ok(true));
            assert_eq!(same(&http(kind, one), &came(kind, other)), Ok(false));
            assert_eq!(same(&http(kind, one), &came(kind, "{")), Ok(false));
        }
        // Of text every character counts.
        let [text, came] = [http("text/plain", one), came("text/plain", spelled)];
        assert_eq!(same(&text, &came), Ok(false));
    }

    #[test]
    fn so_are_those_inside_what_an_invocation_returns() {
        let proxy = |kind: &str, body: &str| {
            format!(
                r#"{{"statusCode":200,"multiValueHeaders":{{"Content-Type":["{kind}"]}},"body":"{body}"}}"#
            )
        };
        let (one, spelled, other) = (r#"{\"a\":[1]}"#, r#"{ \"a\": [1] }"#, r#"{\"a\":[2]}"#);
        let wrap = |response: String| format!(r#"{{"value":{{"Outputs":{{"res":{response}}}}}}}"#);
        let nested = |response: String| format!(r#"{{"Outputs":{{"res":{response}}}}}"#);
        let same = |kind, body| same(&wrap(proxy(kind, one)), &nested(proxy(kind, body)));
        assert_eq!(same("application/json", spelled), Ok(true));
        assert_eq!(same("application/json", other), Ok(false));
        assert_eq!(same("text/plain", spelled), Ok(false));
    }

    #[test]
    fn a_response_has_its_members_and_no_others() {
        let expected = http("text/plain", "a");
        for came in [
            r#"{"status":200,"headers":{"content-type":"text/plain"},"body":"a","more":1}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain"},"body":"a","body_base64":"YQ=="}"#,
            r#"{"status":200,"headers":{"content-type":["text/plain"]},"body":"a"}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain","Content-Type":"text/plain"},"body":"a"}"#,
            r#"{"status":"200","headers":{"content-type":"text/plain"},"body":"a"}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain"},"body_base64":"a"}"#,
            r#"[200]"#,
        ] {
            assert!(same(&expected, came).is_err(), "{came}");
        }
        for came in [
            r#"{"status":201,"headers":{"content-type":"text/plain"},"body":"a"}"#,
            r#"{"status":200,"headers":{"content-type":"text/html"},"body":"a"}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain","x":"y"},"body":"a"}"#,
            r#"{"status":200,"headers":{},"body":"a"}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain"},"body":"b"}"#,
            r#"{"status":200,"headers":{"content-type":"text/plain"}}"#,
        ] {
            assert_eq!(same(&expected, came), Ok(false), "{came}");
        }
        let base64 =
            r#"{"status":200,"headers":{"content-type":"text/plain"},"body_base64":"YQ=="}"#;
        assert_eq!(same(&expected, base64), Ok(true));
        let visit = r#"{"visit":"https://a/"}"#;
        assert_eq!(same(visit, visit), Ok(true));
        assert_eq!(
            same(visit, r#"{"visit":"https://a/","status":200}"#),
            Ok(false)
        );
    }
}
