//! HTTP requests to Azure Functions, as a custom handler gets them.

use super::functions;
use crate::draft::Draft;
use crate::http::{self, Repeated};
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response};

pub(crate) struct Http;

static ABOUT: About = About {
    name: "azure.http",
    title: "Azure Functions: HTTP trigger",
    origin: Origin::Prescribed,
    detected_by: Some("a member of `Data` has `Url` and `Method`"),
    reply: Some("`{Outputs, Logs, ReturnValue}`, the HTTP response among the outputs"),
};

impl Adapter for Http {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload
            .filter(|root| functions::is_invocation(*root))
            .is_some_and(|root| request(root).is_some())
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let request = request(root)
            .ok_or_else(|| root.missing("/Data", "a member with `Url` and `Method`"))?;
        let id = delivery.headers.get("x-azure-functions-invocationid");
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        let source = match delivery.path.trim_start_matches('/') {
            "" => functions::source(root)?,
            path => format!("/azure/functions/{path}"),
        };
        let url = request.need("/Url")?;
        let event = Draft::new(
            id.unwrap_or_else(|| delivery.new_id(0)),
            source,
            "com.microsoft.azure.functions.http.request",
        )
        .subject(Some(path(&url)))
        .time(Some(delivery.now.clone()))
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let response = http::object(&http::reply(answers), Repeated::Joined);
        let output = delivery.config.get("output").map_or("res", String::as_str);
        let outputs = serde_json::Map::from_iter([(output.to_owned(), response)]);
        let body = serde_json::json!({ "Outputs": outputs, "Logs": [], "ReturnValue": null });
        Ok(http::with_json(200, body.to_string()))
    }
}

/// The request among what the host hands over.
fn request(root: Value<'_>) -> Option<Value<'_>> {
    let members = root.get("Data").into_iter().flat_map(|data| data.members());
    members
        .map(|(_, value)| value)
        .find(|value| value.get("Url").is_some() && value.get("Method").is_some())
}

/// The path of a URL.
fn path(url: &str) -> &str {
    let after = url.find("://").map_or(url, |at| &url[at + 3..]);
    let path = after.find('/').map_or("/", |at| &after[at..]);
    path.split(['?', '#']).next().unwrap_or(path)
}
