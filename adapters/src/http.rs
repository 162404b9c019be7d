//! Results as an HTTP response, for vendors that wait for one (`spec/bindings.md`, "Responses"; and
//! `spec/adapters.md`, "Answers to HTTP requests").

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::BASE64;
use libfaas::{AttributeValue, Code, Data, Event};

use crate::answer::{Answer, verdicts};
use crate::json::{Json, Kind, Value};
use crate::{Headers, Response};

/// The type of a result that is itself the response.
const RESPONSE: &str = "fsi.http.response";

/// A response to an HTTP request, before it takes its vendor's form.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// Whether the body is text, which vendors that carry it in JSON take as it is.
    pub(crate) text: bool,
}

impl Reply {
    /// The values of each header, by names in lower case.
    pub(crate) fn named_headers(&self) -> BTreeMap<String, Vec<&str>> {
        let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, value) in self.headers.iter() {
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            values.push(value);
        }
        headers
    }

    /// The body as a string, and whether it had to be encoded for that.
    pub(crate) fn text_or_base64(&self) -> (String, bool) {
        match std::str::from_utf8(&self.body) {
            Ok(text) if self.text => (text.to_owned(), false),
            _ => (BASE64.encode(&self.body), true),
        }
    }
}

/// The response that an answer makes: one delivery was one event.
pub(crate) fn reply(answers: &[Answer]) -> Reply {
    let [Answer { events, status }] = answers else {
        return failed(Code::Unknown);
    };
    match (status, &events[..]) {
        (None, _) => failed(Code::Unknown),
        (Some(status), _) if !status.is_ok() => failed(status.code),
        (Some(_), []) => Reply {
            status: 204,
            headers: Headers::default(),
            body: Bytes::new(),
            text: true,
        },
        (Some(_), [event]) if event.ty() == RESPONSE => {
            full(event).unwrap_or_else(|| failed(Code::Internal))
        }
        (Some(_), [event]) => binary(event),
        (Some(_), events) => batch(events),
    }
}

/// Says to who sent a batch of so many items whether all of it was taken: for web hooks, which look
/// at nothing but the status.
pub(crate) fn acknowledge(answers: &[Answer], items: usize) -> Response {
    let taken = verdicts(answers, items).into_iter().all(|ok| ok);
    match taken && answers.len() <= items {
        true => no_content(),
        false => {
            let of = |answer: &Answer| answer.status.as_ref().map(|status| status.code);
            let codes = answers.iter().filter_map(of);
            // What may be tried again must be: a failure for good counts only if there is no other.
            let worst = codes.filter(|code| *code != Code::Ok).map(Code::http).max();
            let missing = answers.len() != items || answers.iter().any(|a| a.status.is_none());
            status(worst.unwrap_or(500).max(if missing { 500 } else { 0 }))
        }
    }
}

/// How an object of headers says a name that stands more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// Its values joined by commas; cookies can't be, so that is the first.
    Joined,
    /// An array.
    Array,
}

/// The status, the headers and the body as `statusCode`, `headers` and `body` of a JSON object;
/// bytes are in base64.
pub(crate) fn object(reply: &Reply, repeated: Repeated) -> serde_json::Value {
    let headers = reply.named_headers().into_iter().map(|(name, values)| {
        let value = match (&values[..], repeated) {
            ([value], _) => (*value).into(),
            (values, Repeated::Array) => values.into(),
            (values, Repeated::Joined) if name == "set-cookie" => values[0].into(),
            (values, Repeated::Joined) => values.join(",").into(),
        };
        (name, value)
    });
    let headers: serde_json::Map<String, serde_json::Value> = headers.collect();
    let (body, _) = reply.text_or_base64();
    serde_json::json!({ "statusCode": reply.status, "headers": headers, "body": body })
}

/// The response to what was taken and has no answer.
pub(crate) fn no_content() -> Response {
    status(204)
}

fn status(status: u16) -> Response {
    Response::Http {
        status,
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

/// A response whose body is JSON.
pub(crate) fn with_json(status: u16, body: String) -> Response {
    Response::Http {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}

/// The message of a status is for the operator, not for who called (rule `status-message-private`).
fn failed(code: Code) -> Reply {
    Reply {
        status: code.http(),
        headers: Headers::from_iter([("fsi-status", code.name())]),
        body: Bytes::new(),
        text: true,
    }
}

/// An event in CloudEvents' binary content mode.
fn binary(event: &Event) -> Reply {
    let mut headers = Headers::default();
    match (event.datacontenttype(), event.data()) {
        (Some(media_type), _) => headers.add("content-type", media_type),
        (None, Some(Data::Json(_))) => headers.add("content-type", "application/json"),
        _ => {}
    }
    headers.add("ce-specversion", "1.0");
    for (name, value) in [
        ("id", event.id()),
        ("source", event.source()),
        ("type", event.ty()),
    ] {
        headers.add(format!("ce-{name}"), header_value(value));
    }
    for (name, value) in event.attributes() {
        if name != "datacontenttype" {
            let value = match value {
                AttributeValue::String(text) => header_value(text),
                other => header_value(&other.to_string()),
            };
            headers.add(format!("ce-{name}"), value);
        }
    }
    let (body, text) = match event.data() {
        None => (Bytes::new(), true),
        Some(data @ (Data::Text(_) | Data::Json(_))) => {
            (Bytes::copy_from_slice(data.as_bytes()), true)
        }
        Some(Data::Binary(bytes) | Data::Proto { value: bytes, .. }) => (bytes.clone(), false),
    };
    Reply {
        status: 200,
        headers,
        body,
        text,
    }
}

fn batch(events: &[Event]) -> Reply {
    let events: Vec<_> = events.iter().map(Event::to_json).collect();
    let media_type = "application/cloudevents-batch+json";
    Reply {
        status: 200,
        headers: Headers::from_iter([("content-type", media_type)]),
        body: format!("[{}]", events.join(",")).into(),
        text: true,
    }
}

/// A result that says all of the response: `status`, `headers`, `body` or `body_base64`. None if it
/// is not what it says it is.
fn full(event: &Event) -> Option<Reply> {
    let Some(Data::Json(data)) = event.data() else {
        return None;
    };
    let json = Json::read(data.as_str().as_bytes()).ok()?;
    let root = json.root();
    let given = root.get("headers");
    if [Some(root), given]
        .into_iter()
        .flatten()
        .any(|value| value.kind() != Kind::Object)
    {
        return None;
    }
    let status = match root.get("status") {
        None => 200,
        Some(status) => status.raw().parse().ok()?,
    };
    let mut headers = Headers::default();
    for (name, value) in given.into_iter().flat_map(|h| h.members()) {
        let values: Vec<Value<'_>> = match value.kind() {
            Kind::Array => value.items().collect(),
            _ => vec![value],
        };
        for value in values {
            let value = value.as_str()?;
            if !is_header(&name, &value) {
                return None;
            }
            headers.add(&*name, value);
        }
    }
    let (body, text) = match (root.get("body"), root.get("body_base64")) {
        (None, None) => (Bytes::new(), true),
        (Some(text), None) => (text.as_str()?.into_owned().into(), true),
        (None, Some(bytes)) => (
            BASE64.decode(bytes.as_str()?.as_bytes()).ok()?.into(),
            false,
        ),
        (Some(_), Some(_)) => return None,
    };
    (200..600).contains(&status).then_some(Reply {
        status,
        headers,
        body,
        text,
    })
}

/// Whether HTTP has such a header (RFC 9110 section 5): no line feed becomes a header of its own.
fn is_header(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(token)
        && value
            .bytes()
            .all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// The HTTP binding of CloudEvents, section 3.1.3.2.
fn header_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | b'"' | b'%' | 0..=0x1F | 0x7F.. => value.push_str(&format!("%{byte:02X}")),
            byte => value.push(char::from(byte)),
        }
    }
    value
}
