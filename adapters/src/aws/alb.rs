//! HTTP requests through an Application Load Balancer.

use std::borrow::Cow;

use super::proxy::{HeaderForm, response};
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, http};

pub(crate) struct Alb;

static ABOUT: About = About {
    name: "aws.alb",
    title: "Application Load Balancer request, to a Lambda target",
    origin: Origin::Prescribed,
    detected_by: Some("member `requestContext.elb`"),
    reply: Some("the response object, with headers in the form of the request's"),
};

impl Adapter for Alb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|payload| payload.at("/requestContext/elb").is_some())
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let request = json.root();
        let id = match trace(request) {
            Some(trace) => trace.into_owned(),
            // Health checks have none.
            None => delivery.new_id(0),
        };
        let source = request.need("/requestContext/elb/targetGroupArn")?;
        let event = Draft::new(id, source, "com.amazonaws.elasticloadbalancing.request")
            .subject(request.text("/path")?)
            .time(Some(delivery.now.clone()))
            .json(request)
            .build(request)?;
        Ok(event.into())
    }

    fn reply(&self, delivery: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        let json = delivery.json()?;
        let form = match json.root().get("multiValueHeaders") {
            Some(_) => HeaderForm::Multi,
            None => HeaderForm::Single,
        };
        Ok(response(&http::reply(answers), form))
    }
}

/// The header `x-amzn-trace-id`, in either form of headers.
fn trace<'j>(request: Value<'j>) -> Option<Cow<'j, str>> {
    let forms = ["headers", "multiValueHeaders"];
    let headers = forms.iter().filter_map(|form| request.get(form));
    headers
        .flat_map(|headers| headers.members())
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-amzn-trace-id"))
        .find_map(|(_, value)| value.as_str().or_else(|| value.at("/0")?.as_str()))
        .filter(|trace| !trace.is_empty())
}
