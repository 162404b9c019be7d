//! A payload and how it came.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use libfaas::Timestamp;

use crate::Error;
use crate::json::{Json, Kind, Value};

/// What a vendor delivered, and all else that a mapping may look at.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What was delivered: the body of a request, the argument of an invocation, the value of a record.
    pub payload: Bytes,
    /// By what it came, if that is known.
    pub transport: Option<Transport>,
    /// The method of the HTTP request; empty if there is none.
    pub method: String,
    /// The path of the HTTP request, without the query; empty if there is none.
    pub path: String,
    /// The query of the HTTP request, without the `?`; empty if there is none.
    pub query: String,
    /// The headers of the request or of the record.
    pub headers: Headers,
    /// The payload's media type where no header says it.
    pub content_type: Option<String>,
    /// What the deployer has to say, by names that the mapping gives.
    pub config: BTreeMap<String, String>,
    /// When the delivery came.
    pub now: Timestamp,
    /// An identifier that no other delivery has, for what has none of its own.
    pub id: String,
}

/// By what a delivery comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As an HTTP request.
    Http,
    /// As the argument of an invocation, like a Lambda function's.
    Invocation,
    /// As a record of a broker, like Kafka's.
    Record,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 3] = [Transport::Http, Transport::Invocation, Transport::Record];

    /// Its name in a delivery's description.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Http => "http",
            Transport::Invocation => "invocation",
            Transport::Record => "record",
        }
    }
}

impl Delivery {
    /// A payload of which nothing else is known.
    pub fn new(payload: impl Into<Bytes>, now: Timestamp, id: impl Into<String>) -> Self {
        Delivery {
            payload: payload.into(),
            transport: None,
            method: String::new(),
            path: String::new(),
            query: String::new(),
            headers: Headers::default(),
            content_type: None,
            config: BTreeMap::new(),
            now,
            id: id.into(),
        }
    }

    /// Fills in what a description says: a JSON object with any of `transport` (`http`, `invocation`,
    /// `record`), `method`, `path` (with or without a query), `query`, `headers` (an object; a value is a string or an array of
    /// strings), `contentType`, `config` (an object of strings), `now` (RFC 3339) and `id`.
    ///
    /// # Errors
    ///
    /// A member that is of another kind, or that is none of these.
    pub fn describe(&mut self, description: &[u8]) -> Result<(), Error> {
        self.read(description).map_err(Error::of_delivery)
    }

    /// The payload as JSON.
    ///
    /// # Errors
    ///
    /// A payload that is no JSON.
    pub fn json(&self) -> Result<Json<'_>, Error> {
        Json::read(&self.payload)
    }

    /// The payload's media type, by the header `Content-Type` or by [`content_type`](Self::content_type).
    pub fn media_type(&self) -> Option<&str> {
        let header = self.headers.get("content-type");
        header
            .or(self.content_type.as_deref())
            .filter(|media_type| !media_type.is_empty())
    }

    /// A required header.
    ///
    /// # Errors
    ///
    /// A header that is absent or empty.
    pub fn need_header(&self, name: &str) -> Result<&str, Error> {
        let value = self.headers.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::delivery(format!("/headers/{name}"), "this header", "nothing"))
    }

    /// A required member of the configuration.
    ///
    /// # Errors
    ///
    /// A member that is absent or empty.
    pub fn need_config(&self, name: &str) -> Result<&str, Error> {
        let value = self.config.get(name).filter(|value| !value.is_empty());
        value
            .map(String::as_str)
            .ok_or_else(|| Error::delivery(format!("/config/{name}"), "a setting", "nothing"))
    }

    /// A new identifier for the record at `index`: the delivery's own for the first, and for the
    /// others with their number, counted from 1, behind it.
    pub fn new_id(&self, index: usize) -> String {
        match index {
            0 => self.id.clone(),
            _ => format!("{}/{}", self.id, index + 1),
        }
    }

    fn read(&mut self, description: &[u8]) -> Result<(), Error> {
        let json = Json::read(description)?;
        let root = json.root();
        if root.kind() != Kind::Object {
            return Err(root.wrong("an object that describes a delivery"));
        }
        for (name, value) in root.members() {
            let text = || value.as_str().ok_or_else(|| value.wrong("a string"));
            match &*name {
                _ if value.kind() == Kind::Null => {}
                "transport" => {
                    let name = text()?;
                    let known = Transport::ALL.into_iter().find(|one| one.name() == name);
                    let expected = "`http`, `invocation` or `record`";
                    self.transport = Some(known.ok_or_else(|| value.wrong(expected))?);
                }
                "method" => self.method = text()?.into_owned(),
                "path" => {
                    let text = text()?;
                    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
                    self.path = path.to_owned();
                    if !query.is_empty() {
                        self.query = query.to_owned();
                    }
                }
                "query" => self.query = text()?.into_owned(),
                "headers" => self.headers = headers(value)?,
                "contentType" => self.content_type = Some(text()?.into_owned()),
                "config" => {
                    for (name, value) in value.need_object("")?.members() {
                        let text = value.as_str().ok_or_else(|| value.wrong("a string"))?;
                        self.config.insert(name.into_owned(), text.into_owned());
                    }
                }
                "now" => {
                    let expected = "an RFC 3339 timestamp";
                    self.now = text()?.parse().map_err(|_| value.wrong(expected))?;
                }
                "id" => self.id = text()?.into_owned(),
                _ => {
                    let expected =
                        "transport, method, path, query, headers, contentType, config, now or id";
                    return Err(value.wrong(expected));
                }
            }
        }
        Ok(())
    }
}

fn headers(value: Value<'_>) -> Result<Headers, Error> {
    let mut headers = Headers::default();
    for (name, value) in value.need_object("")?.members() {
        let mut add = |value: Value<'_>| {
            let text: Cow<'_, str> = value.as_str().ok_or_else(|| value.wrong("a string"))?;
            headers.add(name.as_ref(), text);
            Ok(())
        };
        match value.kind() {
            Kind::Array => value.items().try_for_each(add)?,
            _ => add(value)?,
        }
    }
    Ok(headers)
}

/// Names and values; case does not count in names, and a name may stand more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Appends a header.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All headers, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(headers: T) -> Self {
        let owned = headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Headers(owned.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        Delivery::new("{}", Timestamp::from_unix(0, 0).unwrap(), "1")
    }

    #[test]
    fn a_description_fills_in() {
        let mut came = delivery();
        let description = r#"{"transport":"http","method":"POST","path":"/hook?x=1","headers":{"Content-Type":"text/plain","X":["a","b"]},
            "config":{"source":"/s"},"now":"2026-11-21T09:30:00.0Z","id":"n"}"#;
        came.describe(description.as_bytes()).unwrap();
        assert_eq!((&*came.path, &*came.query), ("/hook", "x=1"));
        assert_eq!(came.media_type(), Some("text/plain"));
        assert_eq!(came.headers.iter().count(), 3);
        assert_eq!(came.now.to_string(), "2026-11-21T09:30:00.0Z");
        assert_eq!((came.new_id(0), came.new_id(2)), ("n".into(), "n/3".into()));
        assert_eq!(came.need_config("source"), Ok("/s"));
    }

    #[test]
    fn a_wrong_description_is_pointed_at() {
        for (description, error) in [
            (
                r#"{"headers":{"a":[1]}}"#,
                "delivery#/headers/a/0: expected a string, found `1`",
            ),
            (
                r#"{"headers":["a: 1"]}"#,
                "delivery#/headers: expected an object, found `[\"a: 1\"]`",
            ),
            (
                r#"{"config":"/s"}"#,
                "delivery#/config: expected an object, found `\"/s\"`",
            ),
            (
                r#"{"transport":"pigeon"}"#,
                "delivery#/transport: expected `http`, `invocation` or `record`, found `\"pigeon\"`",
            ),
            (
                r#"{"header":{}}"#,
                "delivery#/header: expected transport, method, path, query, headers, contentType, config, now or id, found `{}`",
            ),
        ] {
            let refused = delivery().describe(description.as_bytes()).unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
        assert_eq!(
            delivery().need_header("x-id").unwrap_err().to_string(),
            "delivery#/headers/x-id: expected this header, found nothing"
        );
    }
}
