//! A request as events.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Uri};
use libfaas::{Encoding, Event, InvalidEvent, Limits, Timestamp, binary};
use serde_json::value::RawValue;

use super::media::{is_cloudevents, parameter};
use super::{Content, Refusal, asked, decode};
use crate::serve::route;

/// The type of the event that is made of a request that carries none (`http-plain-request`).
const PLAIN: &str = "fsi.http.request";

/// The events of a request, and how it wants its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// In order; all belong to one call. A batch may be empty.
    pub events: Vec<Event>,
    /// The content mode that the answer is to have.
    pub answer: Content,
    /// Whether the event was made of a request that carried none (`http-plain-request`).
    pub plain: bool,
}

/// What the event of a plain request is made of, besides the request.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The invocation's id.
    pub id: &'a str,
    /// When the request came.
    pub time: Timestamp,
}

/// Makes the events of a request.
///
/// # Errors
///
/// An invalid event (`http-invalid-event`), or a body in a format that is not read here.
pub fn read(
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
    arrival: &Arrival<'_>,
) -> Result<Incoming, Refusal> {
    let media_type = text(headers, CONTENT_TYPE.as_str())?;
    if let Some(coding) = text(headers, CONTENT_ENCODING.as_str())?
        && !coding.eq_ignore_ascii_case("identity")
    {
        let came = coding.escape_debug();
        return Err(Refusal::unsupported(format!(
            "expected a body without Content-Encoding, got {came}; send it uncompressed"
        )));
    }
    let named = media_type.and_then(Content::named);
    let charset = media_type.and_then(|media_type| parameter(media_type, "charset"));
    if let (Some(_), Some(charset)) = (named, charset)
        && !["utf-8", "us-ascii"]
            .iter()
            .any(|known| charset.eq_ignore_ascii_case(known))
    {
        let came = charset.escape_debug();
        return Err(Refusal::unsupported(format!("expected UTF-8, got {came}")));
    }
    let plain = named.is_none()
        && !media_type.is_some_and(is_cloudevents)
        && !headers.contains_key("ce-specversion");
    let (events, mode) = match named {
        Some(mode @ Content::Structured(encoding)) => (vec![document(body, encoding)?], mode),
        Some(mode) => (batch(&body)?, mode),
        None if media_type.is_some_and(is_cloudevents) => {
            let came = media_type.unwrap_or_default().escape_debug();
            return Err(Refusal::unsupported(format!(
                "expected an event in JSON or Protobuf or a batch in JSON, got {came}"
            )));
        }
        None if headers.contains_key("ce-specversion") => {
            let event = from_headers(headers, media_type, body)?;
            (vec![event], Content::Binary)
        }
        None => (vec![made(uri, media_type, body, arrival)?], Content::Binary),
    };
    let answer = asked(headers).unwrap_or(mode);
    Ok(Incoming {
        events,
        answer,
        plain,
    })
}

fn document(body: Bytes, encoding: Encoding) -> Result<Event, Refusal> {
    // The body was bounded when it was read.
    let limits = Limits {
        max_message_bytes: body.len(),
        ..Limits::default()
    };
    Event::decode(body, encoding, &limits).map_err(|fault| Refusal::invalid(fault.to_string()))
}

fn batch(body: &[u8]) -> Result<Vec<Event>, Refusal> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|fault| {
        Refusal::invalid(format!("expected a JSON array of events, got: {fault}"))
    })?;
    let events = items.into_iter().enumerate().map(|(index, item)| {
        let item = Bytes::copy_from_slice(item.get().as_bytes());
        document(item, Encoding::Json).map_err(|mut refusal| {
            refusal.status.message =
                format!("event {index} of the batch: {}", refusal.status.message);
            refusal
        })
    });
    events.collect()
}

/// Binary content mode is binary mode's environment under other names.
fn from_headers(
    headers: &HeaderMap,
    media_type: Option<&str>,
    body: Bytes,
) -> Result<Event, Refusal> {
    let mut vars = Vec::new();
    for name in headers.keys() {
        let Some(attribute) = name.as_str().strip_prefix("ce-") else {
            continue;
        };
        if attribute == "datacontenttype" {
            return Err(Refusal::invalid(
                "header `ce-datacontenttype`: expected the data's type in Content-Type alone",
            ));
        }
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::invalid(format!(
                "header `{name}`: expected one, got several"
            )));
        };
        let value = decode(value.as_bytes())
            .map_err(|fault| Refusal::invalid(format!("header `{name}`: got {fault}")))?;
        vars.push((format!("CE_{attribute}"), value));
    }
    if let Some(media_type) = media_type {
        vars.push(("CE_datacontenttype".to_owned(), media_type.to_owned()));
    }
    binary::from_vars(vars, body).map_err(invalid)
}

/// The event of a plain request.
fn made(
    uri: &Uri,
    media_type: Option<&str>,
    body: Bytes,
    arrival: &Arrival<'_>,
) -> Result<Event, Refusal> {
    let (source, time) = (route::normal(uri.path()), arrival.time.to_string());
    let mut vars = vec![
        ("CE_SPECVERSION", "1.0"),
        ("CE_ID", arrival.id),
        ("CE_SOURCE", &source),
        ("CE_TYPE", PLAIN),
        ("CE_TIME", &time),
    ];
    vars.extend(
        uri.query()
            .filter(|query| !query.is_empty())
            .map(|query| ("CE_SUBJECT", query)),
    );
    vars.extend(media_type.map(|media_type| ("CE_DATACONTENTTYPE", media_type)));
    binary::from_vars(vars, body).map_err(invalid)
}

fn invalid(fault: InvalidEvent) -> Refusal {
    Refusal::invalid(fault.to_string())
}

/// The one value of a header that may stand once.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid(format!(
                "header `{name}`: expected one, got several"
            )));
        }
    };
    match value.to_str().map(str::trim_ascii) {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Refusal::invalid(format!(
            "header `{name}`: expected visible ASCII"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use libfaas::Data;
    use proptest::prelude::*;

    use super::*;

    fn arrival() -> Arrival<'static> {
        Arrival {
            id: "i-1",
            time: Timestamp::from_unix(1_790_856_000, 0).unwrap(),
        }
    }

    fn request(uri: &str, list: &[(&str, &str)], body: &[u8]) -> Result<Incoming, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let body = Bytes::copy_from_slice(body);
        read(&uri.parse().unwrap(), &headers, body, &arrival())
    }

    fn one(uri: &str, list: &[(&str, &str)], body: &[u8]) -> Event {
        let incoming = request(uri, list, body).unwrap();
        assert_eq!(incoming.events.len(), 1);
        incoming.events.into_iter().next().unwrap()
    }

    const REQUIRED: [(&str, &str); 4] = [
        ("ce-specversion", "1.0"),
        ("CE-Id", "41"),
        ("ce-source", "/cameras/7"),
        ("ce-type", "com.example.image.uploaded"),
    ];

    #[test]
    fn binary_mode() {
        let mut list = REQUIRED.to_vec();
        list.push(("ce-subject", "Euro%20%E2%82%AC"));
        list.push(("ce-time", "2026-11-21T09:30:00.25Z"));
        list.push(("ce-myext", "%22x%22"));
        list.push(("content-type", "image/png"));
        let event = one("/acme/thumbnail", &list, b"\x89PNG");
        assert_eq!((event.id(), event.source()), ("41", "/cameras/7"));
        assert_eq!(event.subject(), Some("Euro \u{20ac}"));
        assert_eq!(event.time().unwrap().to_string(), "2026-11-21T09:30:00.25Z");
        assert_eq!(event.attribute("myext").unwrap().as_str(), Some("\"x\""));
        assert_eq!(event.datacontenttype(), Some("image/png"));
        assert_eq!(
            event.data(),
            Some(&Data::Binary(Bytes::from_static(b"\x89PNG")))
        );
        assert_eq!(one("/", &REQUIRED, b"").data(), None);
    }

    #[test]
    fn binary_modes_faults_are_the_clients() {
        let without = |name: &str| -> Vec<_> {
            let kept = REQUIRED.into_iter().filter(|(one, _)| *one != name);
            kept.collect()
        };
        let with = |name, value| [&REQUIRED[..], &[(name, value)]].concat();
        for list in [
            without("ce-source"),
            without("CE-Id"),
            with("ce-id", "42"),
            with("ce-subject", "%zz"),
            with("ce-subject", "\u{20ac}"),
            with("ce-subject", ""),
            with("ce-subject", "%00"),
            with("ce-time", "yesterday"),
            with("ce-dataschema", "relative"),
            with("ce-data", "x"),
            with("ce-data_base64", "eA=="),
            with("ce-my-ext", "x"),
            with("ce-", "x"),
            with("ce-datacontenttype", "text/plain"),
            [&without("ce-specversion")[..], &[("ce-specversion", "0.3")]].concat(),
            [&without("CE-Id")[..], &[("ce-id", "")]].concat(),
            [&with("content-type", "a/b")[..], &[("content-type", "a/c")]].concat(),
        ] {
            let refusal = request("/", &list, b"").unwrap_err();
            assert_eq!(refusal.http, 400, "{list:?}");
            assert_eq!(refusal.status.code.name(), "INVALID_ARGUMENT");
        }
    }

    #[test]
    fn structured_modes() {
        let event = Event::builder("1", "/s", "t")
            .data(vec![1])
            .build()
            .unwrap();
        let cases = [
            ("application/cloudevents+json", Encoding::Json),
            (
                "application/cloudevents+json; charset=\"UTF-8\"",
                Encoding::Json,
            ),
            ("application/cloudevents+protobuf", Encoding::Protobuf),
        ];
        for (media_type, encoding) in cases {
            // Headers that look like binary mode's don't count beside it.
            let list = [("content-type", media_type), ("ce-specversion", "1.0")];
            let incoming = request("/", &list, &event.encode(encoding)).unwrap();
            assert_eq!(incoming.events, std::slice::from_ref(&event));
            assert_eq!(incoming.answer, Content::Structured(encoding));
        }
        for (media_type, body, http) in [
            ("application/cloudevents+json", &b"{}"[..], 400),
            ("application/cloudevents+json", b"", 400),
            ("application/cloudevents+json", b"{", 400),
            ("application/cloudevents+protobuf", b"\xFF", 400),
            ("application/cloudevents+json; charset=utf-16", b"{}", 415),
            ("application/cloudevents+avro", b"", 415),
            ("application/cloudevents", b"", 415),
        ] {
            let refusal = request("/", &[("content-type", media_type)], body).unwrap_err();
            assert_eq!(refusal.http, http, "{media_type}");
        }
    }

    #[test]
    fn batches() {
        let list = [("content-type", "application/cloudevents-batch+json")];
        let event = |id: &str| Event::builder(id, "/s", "t").build().unwrap();
        let body = format!("[{}, {}]", event("1").to_json(), event("2").to_json());
        let incoming = request("/", &list, body.as_bytes()).unwrap();
        assert_eq!(incoming.events, [event("1"), event("2")]);
        assert_eq!(incoming.answer, Content::Batch);
        assert_eq!(request("/", &list, b" [] ").unwrap().events, []);
        for body in [&b""[..], b"{}", b"[1]", b"[{}]", b"[] []", b"\xFF"] {
            assert_eq!(request("/", &list, body).unwrap_err().http, 400);
        }
    }

    #[test]
    fn plain_requests() {
        let event = one(
            "/acme/a%20b|c?x=1&y=%20",
            &[("content-type", "text/plain")],
            b"hi",
        );
        assert_eq!((event.id(), event.ty()), ("i-1", "fsi.http.request"));
        assert!(request("/", &[], b"").unwrap().plain);
        assert!(!request("/", &REQUIRED, b"").unwrap().plain);
        assert_eq!(event.source(), "/acme/a%20b%7Cc");
        assert_eq!(event.subject(), Some("x=1&y=%20"));
        assert_eq!(event.datacontenttype(), Some("text/plain"));
        assert_eq!(event.data(), Some(&Data::Text("hi".into())));
        assert_eq!(event.time(), Some(&arrival().time));
        let event = one("/acme/hello?", &[("ce-id", "7")], b"");
        assert_eq!(
            (event.id(), event.subject(), event.data()),
            ("i-1", None, None)
        );
        let broken = one("/", &[("content-type", "application/json")], b"{");
        assert_eq!(broken.data(), Some(&Data::Binary(Bytes::from_static(b"{"))));
    }

    #[test]
    fn the_answers_mode_is_accepts_or_the_requests() {
        let accept = ("accept", "application/cloudevents+json");
        let plain = request("/", &[accept], b"").unwrap();
        assert_eq!(plain.answer, Content::Structured(Encoding::Json));
        let json = ("content-type", "application/cloudevents+json");
        let body = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        let any = request("/", &[json, ("accept", "*/*")], body).unwrap();
        assert_eq!(any.answer, Content::Binary);
    }

    #[test]
    fn compressed_bodies_are_refused() {
        let refusal = request("/", &[("content-encoding", "gzip")], b"x").unwrap_err();
        assert_eq!(refusal.http, 415);
        assert!(request("/", &[("content-encoding", "identity")], b"x").is_ok());
    }

    proptest! {
        /// Whatever the headers and the body, there are valid events or a refusal of the client.
        #[test]
        fn any_request_has_an_answer(
            names in proptest::collection::vec("(ce-[a-z0-9_-]{0,8}|content-type|ce-id|ce-source|ce-type|ce-specversion)", 0..6),
            values in proptest::collection::vec("(1\\.0|/s|t|[ -~]{0,12}|application/(cloudevents[a-z+-]{0,12}|json))", 6),
            body: Vec<u8>,
        ) {
            let list: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
            match request("/a/b", &list, &body) {
                Ok(incoming) => prop_assert!(incoming.events.iter().all(|event| !event.id().is_empty())),
                Err(refusal) => prop_assert!(matches!(refusal.http.as_u16(), 400 | 415)),
            }
        }

        /// What a client encodes in binary mode is what arrives.
        #[test]
        fn text_attributes_arrive(subject in "[^\\p{Cc}\\p{Cn}]{1,20}", value in "[ -~]{0,20}") {
            let (subject_header, value_header) = (super::super::encode(&subject), super::super::encode(&value));
            let list = [&REQUIRED[..], &[("ce-subject", &subject_header), ("ce-x1", &value_header)]].concat();
            let event = one("/", &list, b"");
            prop_assert_eq!(event.subject(), Some(subject.as_str()));
            prop_assert_eq!(event.attribute("x1").unwrap().as_str(), Some(value.as_str()));
        }
    }
}
