//! To and from the event of `cloudevents-sdk`.

use cloudevents::event::{ExtensionValue, SpecVersion};
use cloudevents::{AttributesReader, EventBuilder as _, EventBuilderV10};

use super::{AttributeValue, Data, Event, InvalidEvent, JsonText, Timestamp};
use crate::error::{Rule, quote};

/// Something of the event that `cloudevents-sdk` cannot hold as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{attribute}`: cloudevents-sdk can't hold {value} unchanged")]
pub struct NotInSdk {
    attribute: &'static str,
    value: String,
}

impl NotInSdk {
    fn new(attribute: &'static str, value: &str) -> Self {
        NotInSdk {
            attribute,
            value: quote(value.as_bytes()),
        }
    }
}

/// As in JSON, extensions of the types Binary, URI, URI-reference and Timestamp become text, and
/// Protobuf data becomes binary with its type URL as `dataschema`.
///
/// # Errors
///
/// A number in JSON data that a 64-bit float changes; a `dataschema` that the WHATWG URL parser
/// rejects or respells.
impl TryFrom<&Event> for cloudevents::Event {
    type Error = NotInSdk;

    fn try_from(event: &Event) -> Result<Self, NotInSdk> {
        let mut builder = EventBuilderV10::new()
            .id(event.id())
            .source(event.source())
            .ty(event.ty());
        for (name, value) in event.attributes() {
            builder = match (name, value) {
                ("subject", value) => builder.subject(value.to_string()),
                ("time", value) => builder.time(value.to_string()),
                ("datacontenttype" | "dataschema", _) => builder,
                (name, AttributeValue::Boolean(value)) => builder.extension(name, *value),
                (name, AttributeValue::Integer(value)) => {
                    builder.extension(name, i64::from(*value))
                }
                (name, value) => builder.extension(name, value.to_string()),
            };
        }
        let mut theirs = builder
            .build()
            .map_err(|error| NotInSdk::new("time", &error.to_string()))?;
        let (mut schema, mut data) = (event.dataschema(), None);
        match event.data() {
            None => {}
            Some(Data::Binary(bytes)) => data = Some(cloudevents::Data::Binary(bytes.to_vec())),
            Some(Data::Text(text)) => data = Some(cloudevents::Data::String(text.to_string())),
            Some(Data::Json(json)) => data = Some(json_value(json)?),
            Some(Data::Proto { type_url, value }) => {
                let absolute = fluent_uri::Uri::parse(type_url.as_str()).is_ok();
                schema = schema.or(absolute.then_some(type_url));
                data = Some(cloudevents::Data::Binary(value.to_vec()));
            }
        }
        use cloudevents::AttributesWriter;
        theirs.set_datacontenttype(event.datacontenttype());
        if let Some(schema) = schema {
            // The builder is the way to a URL without naming the crate that has it.
            let with_schema = EventBuilderV10::from(theirs.clone())
                .data_with_schema("", schema, Vec::new())
                .build();
            let url = with_schema
                .ok()
                .and_then(|event| event.dataschema().cloned());
            let url = url.filter(|url| url.as_str() == schema);
            theirs.set_dataschema(Some(
                url.ok_or_else(|| NotInSdk::new("dataschema", schema))?,
            ));
        }
        if let Some(data) = data {
            theirs.set_data_unchecked(data);
        }
        Ok(theirs)
    }
}

fn json_value(json: &JsonText) -> Result<cloudevents::Data, NotInSdk> {
    let value: Option<serde_json::Value> = json.parse().ok();
    let same = value.filter(|value| JsonText::new(value.to_string()).as_ref() == Ok(json));
    same.map(cloudevents::Data::Json)
        .ok_or_else(|| NotInSdk::new("data", json.as_str()))
}

/// # Errors
///
/// An event of another version than 1.0, or one that is invalid: the SDK checks little.
impl TryFrom<&cloudevents::Event> for Event {
    type Error = InvalidEvent;

    fn try_from(theirs: &cloudevents::Event) -> Result<Self, InvalidEvent> {
        if theirs.specversion() != SpecVersion::V10 {
            let came = theirs.specversion().to_string();
            return Err(InvalidEvent::new(
                Rule::EventSpecversion,
                "specversion",
                "1.0",
                came,
            ));
        }
        let mut builder = Event::builder(theirs.id(), theirs.source(), theirs.ty());
        if let Some(subject) = theirs.subject() {
            builder = builder.subject(subject);
        }
        if let Some(time) = theirs.time() {
            // A leap second counts on beyond a thousand million nanoseconds.
            let nanos = time.timestamp_subsec_nanos();
            let seconds = time.timestamp() + i64::from(nanos / 1_000_000_000);
            let moment = Timestamp::from_unix(seconds, nanos % 1_000_000_000).ok_or_else(|| {
                InvalidEvent::new(
                    Rule::EventTime,
                    "time",
                    "a time in the years 1 to 9999",
                    time.to_string(),
                )
            })?;
            builder = builder.attribute("time", moment);
        }
        if let Some(media_type) = theirs.datacontenttype() {
            builder = builder.datacontenttype(media_type);
        }
        if let Some(schema) = theirs.dataschema() {
            builder = builder.dataschema(schema.as_str());
        }
        for (name, value) in theirs.iter_extensions() {
            builder = match value {
                ExtensionValue::String(text) => builder.attribute(name, text.as_str()),
                ExtensionValue::Boolean(value) => builder.attribute(name, *value),
                ExtensionValue::Integer(value) => {
                    let value = i32::try_from(*value).map_err(|_| {
                        let expected = "an integer of 32 signed bits";
                        InvalidEvent::new(Rule::EventInteger, name, expected, value.to_string())
                    })?;
                    builder.attribute(name, value)
                }
            };
        }
        match theirs.data() {
            None => builder,
            Some(cloudevents::Data::Binary(bytes)) => builder.data(bytes.clone()),
            Some(cloudevents::Data::String(text)) => builder.data(text.as_str()),
            Some(cloudevents::Data::Json(value)) => builder.json(value),
        }
        .build()
    }
}
