//! Messages that the Kafka feed hands to a trigger.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::{Kind, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome};

pub(crate) struct KafkaFeed;

static ABOUT: About = About {
    name: "openwhisk.kafka",
    title: "OpenWhisk Kafka feed",
    origin: Origin::Prescribed,
    detected_by: Some("the array `messages`, whose first has `topic`, `partition` and `offset`"),
    reply: None,
};

impl Adapter for KafkaFeed {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let first = payload.and_then(|root| root.at("/messages/0"));
        first.is_some_and(|message| message.has(&["topic", "partition", "offset"]))
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let trigger = delivery.need_config("trigger")?;
        let messages = json.root().need_array("/messages")?;
        let events: Result<Vec<_>, _> = messages
            .items()
            .map(|message| event(message, trigger))
            .collect();
        Ok(events?.into())
    }
}

fn event(message: Value<'_>, trigger: &str) -> Result<Event, Error> {
    let partition = message.need_scalar("/partition")?;
    let offset = message.need_scalar("/offset")?;
    let topic = message.need("/topic")?;
    let key = message.get("key").and_then(|key| match key.kind() {
        Kind::Number => Some(key.raw().into()),
        _ => key.as_str(),
    });
    Draft::new(
        format!("partition:{partition}/offset:{offset}"),
        format!("{trigger}#{topic}"),
        "org.apache.openwhisk.kafka.message",
    )
    .subject(Some(format!("partition:{partition}#{offset}")))
    .extension("partitionkey", key)
    .json(message)
    .build(message)
}
