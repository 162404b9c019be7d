//! Invocations of an action: what its container is asked to `/run`.

use libfaas::Event;

use crate::draft::Draft;
use crate::http::{self, Repeated};
use crate::json::{self, Json, Kind, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response};

pub(crate) struct Run;

static ABOUT: About = About {
    name: "openwhisk.run",
    title: "OpenWhisk invocation, `/run`",
    origin: Origin::Prescribed,
    detected_by: Some("`activation_id` and `action_name`"),
    reply: Some(
        "the result's object, of a web action the response; HTTP 502 with `error` if the call did not end OK",
    ),
};

impl Adapter for Run {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|root| root.has(&["activation_id", "action_name"]))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(event(delivery, json.root())?.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let json = delivery.json()?;
        Ok(match is_web(json.root()) {
            // What a web action returns is the response.
            true => success(http::object(&http::reply(answers), Repeated::Array).to_string()),
            false => result(answers),
        })
    }
}

fn event(delivery: &Delivery, root: Value<'_>) -> Result<Event, Error> {
    let ty = match is_web(root) {
        true => "org.apache.openwhisk.web.request",
        false => "org.apache.openwhisk.activation.run",
    };
    let action = root.need("/action_name")?;
    let source = format!("/openwhisk/{}", action.trim_start_matches('/'));
    let draft = Draft::new(root.need("/activation_id")?, source, ty)
        .subject(root.text("/value/__ow_path")?)
        .time(Some(delivery.now.clone()));
    match root.get("value") {
        Some(value) => draft.json(value),
        None => draft,
    }
    .build(root)
}

fn is_web(root: Value<'_>) -> bool {
    root.at("/value/__ow_method").is_some()
}

/// What an action returns: an object, or an array.
fn result(answers: &[Answer]) -> Response {
    let [
        Answer {
            events,
            status: Some(status),
        },
    ] = answers
    else {
        return failure("UNKNOWN");
    };
    if !status.is_ok() {
        // The message is for the operator (rule `status-message-private`).
        return failure(status.code.name());
    }
    success(match &events[..] {
        [] => "{}".to_owned(),
        [event] => {
            let value = json::of_result(event);
            let kind = Json::read(value.as_bytes()).map(|json| json.root().kind());
            match kind {
                Ok(Kind::Object | Kind::Array) => value,
                _ => format!("{{\"result\":{value}}}"),
            }
        }
        events => {
            let values: Vec<_> = events.iter().map(json::of_result).collect();
            format!("{{\"result\":[{}]}}", values.join(","))
        }
    })
}

fn success(body: String) -> Response {
    http::with_json(200, body)
}

fn failure(code: &str) -> Response {
    http::with_json(502, format!("{{\"error\":{}}}", json::string(code)))
}
