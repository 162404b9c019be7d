//! What Lambda is called with that is no event: the caller wants an object back, not an effect.

use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome};

/// Triggers of Amazon Cognito.
pub(crate) struct Cognito;

static COGNITO: About = About {
    name: "aws.cognito",
    title: "Amazon Cognito trigger",
    origin: Origin::Refused,
    detected_by: Some(
        "members `triggerSource` and `userPoolId`, or `identityPoolId` and `datasetName`",
    ),
    reply: None,
};

impl Adapter for Cognito {
    fn about(&self) -> &'static About {
        &COGNITO
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(|root| {
            root.has(&["triggerSource", "userPoolId"])
                || root.has(&["identityPoolId", "datasetName"])
        })
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let trigger = json.root().text("/triggerSource")?;
        let found = match trigger {
            Some(trigger) => {
                format!("the Cognito trigger {trigger}, which wants this object back, changed")
            }
            None => "a Cognito trigger, which wants this object back, changed".to_owned(),
        };
        Err(Error::not_an_event("an event", found))
    }
}

/// API Gateway's authorizers.
pub(crate) struct Authorizer;

static AUTHORIZER: About = About {
    name: "aws.apigateway-authorizer",
    title: "Amazon API Gateway authorizer request",
    origin: Origin::Refused,
    detected_by: Some("`type` is `REQUEST` or `TOKEN`, and a member `methodArn` or `routeArn`"),
    reply: None,
};

impl Adapter for Authorizer {
    fn about(&self) -> &'static About {
        &AUTHORIZER
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        payload.is_some_and(is_authorizer)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        delivery.json()?;
        Err(authorizer())
    }
}

/// A request that asks whether a request may pass: the answer is a policy.
pub(super) fn is_authorizer(payload: Value<'_>) -> bool {
    let ty = payload.get("type").and_then(|ty| ty.as_str());
    let asks = ty.is_some_and(|ty| matches!(&*ty, "REQUEST" | "TOKEN"));
    asks && ["methodArn", "routeArn"]
        .iter()
        .any(|arn| payload.get(arn).is_some())
}

pub(super) fn authorizer() -> Error {
    Error::not_an_event(
        "an event",
        "a request to an API Gateway authorizer, which wants a policy back",
    )
}
