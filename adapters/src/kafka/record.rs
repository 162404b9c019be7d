//! Records of a topic, from whoever consumes it.

use std::collections::BTreeMap;

use libfaas::{AttributeValue, Data, Event};

use crate::draft::uri_reference;
use crate::json::Value;
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, Transport, media, time};

pub(crate) struct Record;

static ABOUT: About = About {
    name: "kafka.record",
    title: "Kafka record",
    origin: Origin::Published("https://knative.dev/docs/eventing/sources/kafka-source/"),
    detected_by: Some("the transport `record` and the settings `topic`, `partition` and `offset`"),
    reply: None,
};

impl Adapter for Record {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, _: Option<Value<'_>>) -> bool {
        delivery.transport == Some(Transport::Record)
            && ["topic", "partition", "offset"]
                .iter()
                .all(|name| delivery.config.contains_key(*name))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let (topic, partition, offset) = (
            delivery.need_config("topic")?,
            number(delivery, "partition")?,
            number(delivery, "offset")?,
        );
        let source = format!("{}#{topic}", delivery.need_config("source")?);
        let mut event = Event::builder(
            format!("partition:{partition}/offset:{offset}"),
            uri_reference(&source),
            "dev.knative.kafka.event",
        )
        .subject(format!("partition:{partition}#{offset}"));
        if let Some(time) = delivery
            .config
            .get("timestamp")
            .and_then(|text| time::from_text(text))
        {
            event = event.attribute("time", time);
        }
        for (name, value) in extensions(delivery) {
            event = event.attribute(name, AttributeValue::String(value.into()));
        }
        if let Some((media_type, data)) = data(delivery) {
            event = event.datacontenttype(media_type).data(data);
        }
        let event = event.build().map_err(|error| {
            Error::delivery(
                "",
                "a record that a valid event can be made of",
                error.to_string(),
            )
        })?;
        Ok(event.into())
    }
}

/// A number that the consumer knows, as the text that it is.
fn number<'d>(delivery: &'d Delivery, name: &str) -> Result<&'d str, Error> {
    let text = delivery.need_config(name)?;
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text),
        false => Err(Error::delivery(
            format!("/config/{name}"),
            "a number",
            crate::error::quote(text),
        )),
    }
}

/// The key and the headers. Of headers whose names become the same, the last one counts.
fn extensions(delivery: &Delivery) -> BTreeMap<String, String> {
    let headers = delivery.headers.iter().filter_map(|(name, value)| {
        let kept = name.chars().filter(char::is_ascii_alphanumeric);
        let kept: String = kept.map(|c| c.to_ascii_lowercase()).collect();
        let is_content_type = name.eq_ignore_ascii_case("content-type");
        (!kept.is_empty() && !is_content_type).then(|| (format!("kafkaheader{kept}"), value))
    });
    let key = delivery.config.get("key").map(String::as_str);
    let keys = key
        .into_iter()
        .flat_map(|key| ["key", "partitionkey"].map(|name| (name.to_owned(), key)));
    headers
        .chain(keys)
        .filter(|(_, value)| crate::draft::fits(value))
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// The record's value and its type: the one that a header says, else JSON if it is that.
fn data(delivery: &Delivery) -> Option<(&str, Data)> {
    let value = &delivery.payload;
    if value.is_empty() {
        return None;
    }
    Some(match delivery.media_type() {
        Some(media_type) => (media_type, media::data(media_type, value)),
        None => match media::as_json(value) {
            Some(json) => ("application/json", json.into()),
            None => ("application/octet-stream", value.clone().into()),
        },
    })
}
