//! Results and failures as responses.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use libfaas::{Data, Encoding, Event, Status};

use super::media::is_cloudevents;
use super::{Content, Refusal, encode};

/// The header with the name of a failed call's code (`http-status-name`).
const STATUS: HeaderName = HeaderName::from_static("fsi-status");

/// Attributes that are put into headers: more than any client reads, and less than a `HeaderMap` can hold.
const ATTRIBUTES: usize = 10_000;

/// Whether callers get the messages of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// The code alone (`status-message-private`).
    #[default]
    Private,
    /// Code, message and details, as JSON.
    Shown,
}

/// The response of a call that ended OK.
pub fn answer(results: &[Event], content: Content) -> Response<Bytes> {
    match (results, content) {
        ([], _) => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        ([event], Content::Structured(encoding)) => structured(event, encoding),
        ([event], Content::Binary) => {
            binary(event).unwrap_or_else(|| structured(event, Encoding::Json))
        }
        (events, _) => {
            let documents: Vec<_> = events.iter().map(Event::to_json).collect();
            body(Content::Batch, format!("[{}]", documents.join(",")).into())
        }
    }
}

/// The response of a call that ended otherwise, or of a request for which none was made.
pub fn failure(refusal: &Refusal, messages: Messages) -> Response<Bytes> {
    let Refusal { http, status } = refusal;
    let mut response = match messages {
        Messages::Private => Response::default(),
        Messages::Shown => shown(status),
    };
    *response.status_mut() = *http;
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static(status.code.name()));
    if let Some(after) = status.retry_after() {
        let seconds = after.as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn shown(status: &Status) -> Response<Bytes> {
    let text = serde_json::json!({
        "code": status.code.name(),
        "message": status.message,
        "details": status.details,
    });
    let mut response = Response::new(Bytes::from(text.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn structured(event: &Event, encoding: Encoding) -> Response<Bytes> {
    body(Content::Structured(encoding), event.encode(encoding).into())
}

fn body(content: Content, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    if let Some(media_type) = content.media_type() {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response
}

/// None for an event that binary mode would make another one of: data that itself has a CloudEvents
/// media type, or a media type that no header can have; and for one with too many attributes.
fn binary(event: &Event) -> Option<Response<Bytes>> {
    if event.attributes().count() > ATTRIBUTES {
        return None;
    }
    // JSON has no Protobuf data either: it becomes bytes, with the type's URL as `dataschema`.
    let bare;
    let event = match event.data() {
        Some(Data::Proto { .. }) => {
            bare = Event::from_json(event.to_json()).ok()?;
            &bare
        }
        _ => event,
    };
    let mut headers = HeaderMap::new();
    let media_type = match (event.datacontenttype(), event.data()) {
        (None, Some(Data::Json(_))) => Some("application/json"),
        (None, Some(Data::Text(_))) => Some("text/plain; charset=utf-8"),
        (media_type, _) => media_type,
    };
    if let Some(media_type) = media_type {
        let visible = media_type.bytes().all(|b| matches!(b, b' '..=b'~'));
        let kept = visible && media_type.trim_ascii() == media_type && !is_cloudevents(media_type);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_str(media_type).ok().filter(|_| kept)?,
        );
    }
    let required = [
        ("specversion", "1.0".to_owned()),
        ("id", event.id().to_owned()),
        ("source", event.source().to_owned()),
        ("type", event.ty().to_owned()),
    ];
    let optional = event
        .attributes()
        .filter(|(name, _)| *name != "datacontenttype")
        .map(|(name, value)| (name, value.to_string()));
    for (name, value) in required.into_iter().chain(optional) {
        let name = HeaderName::from_bytes(format!("ce-{name}").as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(&encode(&value)).ok()?);
    }
    let data = match event.data() {
        None => Bytes::new(),
        Some(Data::Binary(bytes)) => bytes.clone(),
        Some(data) => Bytes::copy_from_slice(data.as_bytes()),
    };
    let mut response = Response::new(data);
    *response.headers_mut() = headers;
    Some(response)
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use libfaas::{Code, JsonText, Limits, Timestamp};
    use proptest::prelude::*;

    use super::super::{Arrival, read};
    use super::*;

    const JSON: Content = Content::Structured(Encoding::Json);
    const PROTOBUF: Content = Content::Structured(Encoding::Protobuf);

    fn event() -> Event {
        let event = Event::builder(
            "9c1e/1",
            "/functions/caf\u{e9}s".replace('\u{e9}', "%C3%A9"),
            "t",
        )
        .subject("50% \u{20ac}")
        .datacontenttype("text/plain")
        .attribute("causationid", "41")
        .attribute("count", 3)
        .data("data");
        event.build().unwrap()
    }

    fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    }

    #[test]
    fn one_result_in_each_mode() {
        let response = answer(&[event()], Content::Binary);
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), "data");
        for (name, value) in [
            ("content-type", "text/plain"),
            ("ce-specversion", "1.0"),
            ("ce-id", "9c1e/1"),
            ("ce-source", "/functions/caf%25C3%25A9s"),
            ("ce-subject", "50%25%20%E2%82%AC"),
            ("ce-causationid", "41"),
            ("ce-count", "3"),
            ("ce-datacontenttype", "-"),
        ] {
            assert_eq!(header(&response, name), value, "{name}");
        }
        for (content, encoding, media_type) in [
            (JSON, Encoding::Json, "application/cloudevents+json"),
            (
                PROTOBUF,
                Encoding::Protobuf,
                "application/cloudevents+protobuf",
            ),
        ] {
            let response = answer(&[event()], content);
            assert_eq!(header(&response, "content-type"), media_type);
            let read = Event::decode(response.body().clone(), encoding, &Limits::default());
            assert_eq!(read.unwrap(), event());
        }
        let batch = answer(&[event()], Content::Batch);
        assert_eq!(batch.body(), &format!("[{}]", event().to_json()));
    }

    #[test]
    fn no_results_and_many() {
        for content in [Content::Binary, JSON, PROTOBUF, Content::Batch] {
            let none = answer(&[], content);
            assert_eq!((none.status().as_u16(), none.body().len()), (204, 0));
            let many = answer(&[event(), event()], content);
            assert_eq!(
                header(&many, "content-type"),
                "application/cloudevents-batch+json"
            );
            let items: Vec<serde_json::Value> = serde_json::from_slice(many.body()).unwrap();
            assert_eq!((many.status().as_u16(), items.len()), (200, 2));
        }
    }

    #[test]
    fn data_says_what_it_is() {
        let json = JsonText::new("[1.10]").unwrap();
        let event = Event::builder("1", "/s", "t").data(json).build().unwrap();
        let response = answer(&[event], Content::Binary);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(response.body(), "[1.10]");
        for (data, media_type) in [
            (Data::from("text"), "text/plain; charset=utf-8"),
            (Data::from(vec![1]), "-"),
        ] {
            let event = Event::builder("1", "/s", "t").data(data).build().unwrap();
            let response = answer(&[event], Content::Binary);
            assert_eq!(header(&response, "content-type"), media_type);
        }
    }

    #[test]
    fn data_that_would_be_taken_for_an_event_is_wrapped_in_one() {
        for media_type in ["application/cloudevents+json", "caf\u{e9}/x", "a/b "] {
            let event = Event::builder("1", "/s", "t").datacontenttype(media_type);
            let event = event.data(vec![b'{']).build().unwrap();
            let response = answer(std::slice::from_ref(&event), Content::Binary);
            assert_eq!(
                header(&response, "content-type"),
                "application/cloudevents+json"
            );
            assert_eq!(Event::from_json(response.body().clone()).unwrap(), event);
        }
    }

    #[test]
    fn attributes_that_no_header_has_room_for_are_in_the_body() {
        let many = (0..30_000).fold(Event::builder("1", "/s", "t"), |event, n| {
            event.attribute(format!("x{n}"), "v")
        });
        let event = many.build().unwrap();
        let response = answer(std::slice::from_ref(&event), Content::Binary);
        assert_eq!(
            header(&response, "content-type"),
            "application/cloudevents+json"
        );
        assert_eq!(Event::from_json(response.body().clone()).unwrap(), event);
    }

    #[test]
    fn failures_have_the_tables_status_and_the_codes_name() {
        for code in Code::ALL.into_iter().filter(|code| *code != Code::Ok) {
            let response = failure(&Status::new(code, "secret").into(), Messages::Private);
            assert_eq!(response.status().as_u16(), code.http());
            assert_eq!(header(&response, "fsi-status"), code.name());
            assert_eq!(header(&response, "retry-after"), "-");
            assert!(response.body().is_empty(), "{code}");
        }
        let status = Status::new(Code::NotFound, "no order").detail("order", "42");
        let shown = failure(&status.into(), Messages::Shown);
        let body: serde_json::Value = serde_json::from_slice(shown.body()).unwrap();
        assert_eq!(body["message"], "no order");
        assert_eq!(body["details"]["order"], "42");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (millis, seconds) in [
            ("1500", "2"),
            ("1000", "1"),
            ("0", "0"),
            ("1", "1"),
            ("x", "-"),
        ] {
            let status = Status::from(Code::ResourceExhausted).detail("retry-after-ms", millis);
            let response = failure(&status.into(), Messages::Private);
            assert_eq!(header(&response, "retry-after"), seconds, "{millis}");
            assert_eq!(response.status(), 429);
        }
    }

    proptest! {
        /// A binary response, sent back as a request, is the same event.
        #[test]
        fn binary_there_and_back(id in "[^\\p{Cc}\\p{Cn}]{1,12}", subject in "[^\\p{Cc}\\p{Cn}]{1,12}", data in "\\PC{1,20}") {
            let event = Event::builder(id, "/s", "t").subject(subject).datacontenttype("text/plain").data(data);
            let event = event.build().unwrap();
            let (parts, body) = answer(std::slice::from_ref(&event), Content::Binary).into_parts();
            let arrival = Arrival { id: "i", time: Timestamp::from_unix(0, 0).unwrap() };
            let incoming = read(&Uri::from_static("/"), &parts.headers, body, &arrival).unwrap();
            prop_assert_eq!(incoming.events, [event]);
        }
    }
}
