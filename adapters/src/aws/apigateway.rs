//! HTTP requests through API Gateway, v1 and v2, its WebSockets, and Lambda function URLs.

use libfaas::Event;

use super::proxy::{HeaderForm, response};
use super::refused::{authorizer, is_authorizer};
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, http, time};

/// One of the four.
pub(crate) struct Gateway {
    about: &'static About,
    recognizes: fn(Value<'_>) -> bool,
    ty: fn(Value<'_>) -> Result<String, Error>,
    /// Where the request says these.
    subject: &'static str,
    time: &'static str,
    /// Whether a request without a time has the delivery's.
    now: bool,
    headers: HeaderForm,
}

pub(crate) static V1: Gateway = Gateway {
    about: &About {
        name: "aws.apigateway-v1",
        title: "Amazon API Gateway request, payload format 1.0 (REST APIs, and HTTP APIs that choose it)",
        origin: Origin::Prescribed,
        detected_by: Some("members `httpMethod` and `requestContext.apiId`"),
        reply: Some("the proxy response, with `multiValueHeaders`"),
    },
    recognizes: |payload| {
        let has = |pointer| payload.at(pointer).is_some();
        has("/httpMethod") && has("/requestContext/apiId") && !is_websocket(payload)
    },
    ty: |_| Ok("com.amazonaws.apigateway.request".to_owned()),
    subject: "/path",
    time: "/requestContext/requestTimeEpoch",
    now: true,
    headers: HeaderForm::Both,
};

pub(crate) static V2: Gateway = Gateway {
    about: &About {
        name: "aws.apigateway-v2",
        title: "Amazon API Gateway request, payload format 2.0 (HTTP APIs)",
        origin: Origin::Prescribed,
        detected_by: Some("`requestContext.http` in a domain without `.lambda-url.`"),
        reply: Some("the proxy response, with `cookies`"),
    },
    recognizes: |payload| payload.at("/requestContext/http").is_some() && !is_url(payload),
    ty: |_| Ok("com.amazonaws.apigateway.request".to_owned()),
    subject: "/rawPath",
    time: "/requestContext/timeEpoch",
    now: true,
    headers: HeaderForm::Cookies,
};

pub(crate) static URL: Gateway = Gateway {
    about: &About {
        name: "aws.lambda-url",
        title: "AWS Lambda function URL request",
        origin: Origin::Prescribed,
        detected_by: Some("`requestContext.http` in a domain with `.lambda-url.`"),
        reply: Some("the proxy response, with `cookies`"),
    },
    recognizes: |payload| payload.at("/requestContext/http").is_some() && is_url(payload),
    ty: |_| Ok("com.amazonaws.lambda.url.request".to_owned()),
    subject: "/rawPath",
    time: "/requestContext/timeEpoch",
    now: false,
    headers: HeaderForm::Cookies,
};

pub(crate) static WEBSOCKET: Gateway = Gateway {
    about: &About {
        name: "aws.apigateway-websocket",
        title: "Amazon API Gateway WebSocket event",
        origin: Origin::Prescribed,
        detected_by: Some("members `requestContext.connectionId` and `requestContext.eventType`"),
        reply: Some("the proxy response"),
    },
    recognizes: is_websocket,
    ty: |payload| {
        let event = payload.need("/requestContext/eventType")?;
        let event = event.to_ascii_lowercase();
        Ok(format!("com.amazonaws.apigateway.websocket.{event}"))
    },
    subject: "/requestContext/connectionId",
    time: "/requestContext/requestTimeEpoch",
    now: false,
    headers: HeaderForm::Both,
};

impl Adapter for Gateway {
    fn about(&self) -> &'static About {
        self.about
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|payload| !is_authorizer(payload) && (self.recognizes)(payload))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        Ok(self.event(delivery, json.root())?.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(response(&http::reply(answers), self.headers))
    }
}

impl Gateway {
    fn event(&self, delivery: &Delivery, request: Value<'_>) -> Result<Event, Error> {
        if is_authorizer(request) {
            return Err(authorizer());
        }
        let id = request.need("/requestContext/requestId")?;
        let ty = (self.ty)(request)?;
        let time = request.at(self.time).and_then(time::of);
        Draft::new(id, source(request)?, ty)
            .subject(request.text(self.subject)?)
            .time(time.or_else(|| self.now.then(|| delivery.now.clone())))
            .json(request)
            .build(request)
    }
}

/// `//domain/stage`.
fn source(request: Value<'_>) -> Result<String, Error> {
    let domain = match request.text("/requestContext/domainName")? {
        Some(domain) => domain.into_owned(),
        None => {
            let api = request.need("/requestContext/apiId")?;
            format!("{api}.execute-api.amazonaws.com")
        }
    };
    Ok(match request.text("/requestContext/stage")? {
        Some(stage) => format!("//{domain}/{stage}"),
        None => format!("//{domain}"),
    })
}

fn is_websocket(payload: Value<'_>) -> bool {
    let has = |pointer| payload.at(pointer).is_some();
    has("/requestContext/connectionId") && has("/requestContext/eventType")
}

fn is_url(payload: Value<'_>) -> bool {
    let domain = payload.at("/requestContext/domainName");
    let domain = domain.and_then(|domain| domain.as_str());
    domain.is_some_and(|domain| domain.contains(".lambda-url."))
}
