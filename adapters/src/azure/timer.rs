//! Azure Functions' timer.

use super::functions;
use crate::draft::Draft;
use crate::json::{Json, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct Timer;

static ABOUT: About = About {
    name: "azure.timer",
    title: "Azure Functions: timer trigger",
    origin: Origin::Prescribed,
    detected_by: Some("a member of `Data` has `IsPastDue`"),
    reply: Some(functions::REPLY),
};

impl Adapter for Timer {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has_data(payload, is_timer)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let event = Draft::new(
            root.need("/Metadata/sys/RandGuid")?,
            functions::source(root)?,
            "com.microsoft.azure.functions.timer",
        )
        .time(root.at("/Metadata/sys/UtcNow").and_then(time::of))
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(functions::respond(answers, 1))
    }
}

/// The state of a timer, or a string that holds it.
fn is_timer(value: Value<'_>) -> bool {
    let named = |value: Value<'_>| {
        ["IsPastDue", "isPastDue"]
            .iter()
            .any(|name| value.get(name).is_some())
    };
    let inside = || {
        let text = value.as_str()?;
        Some(named(Json::read(text.as_bytes()).ok()?.root()))
    };
    named(value) || inside().unwrap_or(false)
}
