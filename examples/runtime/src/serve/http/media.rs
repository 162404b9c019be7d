//! Content modes, and the media types that name them.

use http::HeaderMap;
use http::header::ACCEPT;
use libfaas::Encoding;

/// How events stand in a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Attributes in headers, data in the body.
    Binary,
    /// The whole event in the body: in JSON or in Protobuf.
    Structured(Encoding),
    /// A JSON array of events in the body.
    Batch,
}

impl Content {
    /// The media type that says so; binary mode has the data's.
    pub const fn media_type(self) -> Option<&'static str> {
        match self {
            Content::Binary => None,
            Content::Structured(Encoding::Json) => Some("application/cloudevents+json"),
            Content::Structured(Encoding::Protobuf) => Some("application/cloudevents+protobuf"),
            // CloudEvents has no format of this name, so nobody can ask for it.
            Content::Structured(Encoding::Capnp) => None,
            Content::Batch => Some("application/cloudevents-batch+json"),
        }
    }

    /// The mode that a media type names.
    pub fn named(media_type: &str) -> Option<Content> {
        let essence = essence(media_type);
        [
            Content::Structured(Encoding::Json),
            Content::Structured(Encoding::Protobuf),
            Content::Batch,
        ]
        .into_iter()
        .find(|content| {
            let name = content.media_type().unwrap_or_default();
            essence.eq_ignore_ascii_case(name)
        })
    }
}

/// Whether the media type is one of CloudEvents', known or not.
pub(super) fn is_cloudevents(media_type: &str) -> bool {
    const PREFIX: &str = "application/cloudevents";
    essence(media_type)
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The type and subtype, without parameters.
fn essence(media_type: &str) -> &str {
    media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

/// The value of a parameter, without its quotes.
pub(super) fn parameter<'a>(media_type: &'a str, name: &str) -> Option<&'a str> {
    media_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim_ascii();
        let bare = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        key.trim_ascii()
            .eq_ignore_ascii_case(name)
            .then_some(bare.unwrap_or(value))
    })
}

/// The mode that `Accept` asks for: of CloudEvents' media types in it the one with the highest
/// quality, the first of equals; binary where it has none of them. None without `Accept`.
pub fn asked(headers: &HeaderMap) -> Option<Content> {
    let mut best: Option<(u16, Content)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        let Ok(text) = value.to_str() else { continue };
        for range in text.split(',') {
            let quality = parameter(range, "q").map_or(Some(1000), quality);
            let found = quality
                .filter(|quality| *quality > 0)
                .zip(Content::named(range));
            if let Some((quality, content)) = found
                && best.is_none_or(|(most, _)| quality > most)
            {
                best = Some((quality, content));
            }
        }
    }
    any.then_some(best.map_or(Content::Binary, |(_, content)| content))
}

/// RFC 9110's `qvalue`, in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match (whole, thousandths) {
        ("0", some) => Some(some),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const JSON: Content = Content::Structured(Encoding::Json);
    const PROTOBUF: Content = Content::Structured(Encoding::Protobuf);

    fn asked_with(values: &[&str]) -> Option<Content> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        asked(&headers)
    }

    #[test]
    fn accept() {
        for (values, content) in [
            (&[][..], None),
            (&["*/*"][..], Some(Content::Binary)),
            (&["image/png"], Some(Content::Binary)),
            (&["application/cloudevents+json"], Some(JSON)),
            (
                &["Application/CloudEvents+JSON ; charset=UTF-8"],
                Some(JSON),
            ),
            (
                &["*/*, application/cloudevents+protobuf;q=0.5"],
                Some(PROTOBUF),
            ),
            (
                &["*/*", "application/cloudevents-batch+json"],
                Some(Content::Batch),
            ),
            (
                &["application/cloudevents+json;q=0.8, application/cloudevents+protobuf;q=0.9"],
                Some(PROTOBUF),
            ),
            (
                &["application/cloudevents+json, application/cloudevents+protobuf"],
                Some(JSON),
            ),
            (&["application/cloudevents+json;q=0"], Some(Content::Binary)),
            (&["application/cloudevents+json;q=2"], Some(Content::Binary)),
            (&["application/cloudevents+avro"], Some(Content::Binary)),
            (&["application/cloudevents"], Some(Content::Binary)),
            (&[""], Some(Content::Binary)),
        ] {
            assert_eq!(asked_with(values), content, "{values:?}");
        }
    }

    #[test]
    fn qualities() {
        for (text, value) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0.5", Some(500)),
            ("0.001", Some(1)),
            ("0", Some(0)),
            ("1.1", None),
            ("0.0001", None),
            ("-1", None),
            ("0.+5", None),
            ("", None),
        ] {
            assert_eq!(quality(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_accept_has_an_answer(value in "[ -~]{0,60}", more in "(application/cloudevents[+a-z-]{0,12}[;q=., 0-9\"]{0,12}){0,3}") {
            prop_assert!(asked_with(&[&value, &more]).is_some());
        }
    }
}
