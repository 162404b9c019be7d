//! CORS (Fetch standard, section 3.3): which pages of a browser may call functions.
//!
//! Closed unless configured (`http-cors-closed`). The methods are those of the route, which only the
//! manifests know, so this is no middleware.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// The origins whose pages may call functions.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

/// Not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin like https://example.com, without a path, or *")]
pub struct InvalidOrigin;

impl Cors {
    /// Opens functions to pages of these origins; `*` means any.
    pub fn new(origins: impl IntoIterator<Item = Origin>) -> Self {
        let origins = origins.into_iter().map(|origin| origin.0).collect();
        Cors { origins }
    }

    /// Whether any origin is let in, so that OPTIONS is answered here.
    pub fn is_open(&self) -> bool {
        !self.origins.is_empty()
    }

    /// The answer to OPTIONS for a route that has these methods.
    pub fn preflight(&self, request: &HeaderMap, methods: &BTreeSet<&str>) -> Response<Bytes> {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(origin) = self.allowed(request) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let methods = methods.iter().copied().collect::<Vec<_>>().join(", ");
            if let Ok(methods) = HeaderValue::from_str(&methods) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            // Attributes are headers of any name, so what is asked for is allowed.
            if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        vary(response.headers_mut());
        response
    }

    /// Lets the page read the answer to its request.
    pub fn open(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if !self.is_open() {
            return;
        }
        if let Some(origin) = self.allowed(request) {
            let exposed: BTreeSet<_> = response
                .keys()
                .map(http::HeaderName::as_str)
                .filter(|name| {
                    name.starts_with("ce-") || ["fsi-status", "retry-after"].contains(name)
                })
                .collect();
            let exposed = exposed.into_iter().collect::<Vec<_>>().join(", ");
            if let Ok(exposed) = HeaderValue::from_str(&exposed)
                && !exposed.is_empty()
            {
                response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        vary(response);
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        let known = |one: &&HeaderValue| *one == origin || *one == "*";
        self.origins.iter().find(known).cloned()
    }
}

/// A cache must not give one origin's answer to another.
fn vary(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("origin"));
}

/// An origin as `--cors-origin` takes it.
#[derive(Clone, Debug)]
pub struct Origin(HeaderValue);

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let host = text.split_once("://").map(|(scheme, host)| {
            let plain = |b: u8| b.is_ascii_graphic() && !b"/?#@".contains(&b);
            matches!(scheme, "http" | "https") && !host.is_empty() && host.bytes().all(plain)
        });
        match host {
            Some(true) => {}
            None if text == "*" => {}
            _ => return Err(InvalidOrigin),
        }
        // A browser writes origins in lower case.
        let value = HeaderValue::from_str(&text.to_ascii_lowercase());
        value.map(Origin).map_err(|_| InvalidOrigin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors::new(origins.iter().map(|origin| origin.parse().unwrap()))
    }

    fn request(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !origin.is_empty() {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, "ce-id".parse().unwrap());
        headers
    }

    fn header(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> &str {
        headers
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    }

    #[test]
    fn only_configured_origins_are_let_in() {
        for (origins, origin, allowed) in [
            (&[][..], "https://a.example", "-"),
            (
                &["https://A.example"],
                "https://a.example",
                "https://a.example",
            ),
            (&["https://a.example"], "https://b.example", "-"),
            (&["https://a.example"], "https://a.example.evil", "-"),
            (&["https://a.example"], "null", "-"),
            (&["https://a.example"], "", "-"),
            (&["*"], "https://b.example", "*"),
        ] {
            let cors = cors(origins);
            let mut response = HeaderMap::new();
            response.insert("ce-id", "1".parse().unwrap());
            response.insert("fsi-status", "X".parse().unwrap());
            cors.open(&request(origin), &mut response);
            assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), allowed);
            let exposed = if allowed == "-" {
                "-"
            } else {
                "ce-id, fsi-status"
            };
            assert_eq!(header(&response, ACCESS_CONTROL_EXPOSE_HEADERS), exposed);
            assert_eq!(
                header(&response, VARY),
                if cors.is_open() { "origin" } else { "-" }
            );
        }
    }

    #[test]
    fn a_preflight_has_the_methods_of_the_route() {
        let cors = cors(&["https://a.example"]);
        let response = cors.preflight(&request("https://a.example"), &["GET", "POST"].into());
        assert_eq!(response.status(), 204);
        assert_eq!(
            header(response.headers(), ACCESS_CONTROL_ALLOW_METHODS),
            "GET, POST"
        );
        assert_eq!(
            header(response.headers(), ACCESS_CONTROL_ALLOW_HEADERS),
            "ce-id"
        );
        let other = cors.preflight(&request("https://b.example"), &["POST"].into());
        assert_eq!(header(other.headers(), ACCESS_CONTROL_ALLOW_ORIGIN), "-");
        assert_eq!(header(other.headers(), ACCESS_CONTROL_ALLOW_METHODS), "-");
    }

    #[test]
    fn origins() {
        for text in [
            "*",
            "https://a.example",
            "http://localhost:3000",
            "http://[::1]:80",
        ] {
            assert!(text.parse::<Origin>().is_ok(), "{text}");
        }
        for text in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://a/b",
            "ftp://a",
            "https://u@a",
            "null",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
