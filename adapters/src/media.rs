//! Bodies as data, by their media type.

use bytes::Bytes;
use libfaas::{Data, JsonText};

use crate::json;

/// A media type without its parameters, in lower case.
pub(crate) fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// JSON and text where the media type says so and the bytes are; else the bytes.
pub(crate) fn data(media_type: &str, body: &Bytes) -> Data {
    let essence = essence(media_type);
    let is_json = essence.ends_with("/json") || essence.ends_with("+json");
    match std::str::from_utf8(body) {
        Ok(_) if is_json => as_json(body).map_or(Data::Binary(body.clone()), Data::Json),
        Ok(text) if essence.starts_with("text/") => Data::Text(text.into()),
        _ => Data::Binary(body.clone()),
    }
}

/// The body as JSON, if it is that, without a byte order mark.
pub(crate) fn as_json(body: &[u8]) -> Option<JsonText> {
    JsonText::new(json::text(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_the_media_type_says_if_it_is() {
        let (json, text, bytes) = (
            Data::Json(JsonText::new("[1.10]").unwrap()),
            Data::Text("[1.10]".into()),
            Data::Binary(Bytes::from_static(b"[1.10]")),
        );
        for (media_type, data_of_it) in [
            ("application/json", &json),
            (" Application/vnd.x+JSON ; charset=utf-8", &json),
            ("text/plain; charset=utf-8", &text),
            ("application/jsonl", &bytes),
            ("", &bytes),
        ] {
            let body = Bytes::from_static(b"[1.10]");
            assert_eq!(data(media_type, &body), *data_of_it, "{media_type}");
        }
        for (media_type, body) in [("application/json", &b"{"[..]), ("text/plain", b"\xFF")] {
            let body = Bytes::from_static(body);
            assert_eq!(data(media_type, &body), Data::Binary(body.clone()));
        }
        let marked = Bytes::from_static(b"\xEF\xBB\xBF[1.10]");
        assert_eq!(data("application/json", &marked), json);
    }
}
