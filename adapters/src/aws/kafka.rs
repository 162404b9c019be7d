//! Kafka through Lambda: Amazon MSK and clusters of one's own.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::{Kind, Value};
use crate::{About, Adapter, Delivery, Error, Origin, Outcome, time};

pub(crate) struct Kafka;

static ABOUT: About = About {
    name: "aws.kafka",
    title: "Kafka records of Amazon MSK or a cluster of one's own, through Lambda",
    origin: Origin::Prescribed,
    detected_by: Some(
        "`eventSource` is `aws:kafka`, `SelfManagedKafka` or `aws:SelfManagedKafka`, and `records` is an object",
    ),
    reply: None,
};

impl Adapter for Kafka {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let Some(payload) = payload else { return false };
        let source = payload
            .get("eventSource")
            .and_then(|source| source.as_str());
        let known = ["aws:kafka", "SelfManagedKafka", "aws:SelfManagedKafka"];
        let records = payload.get("records").map(|records| records.kind());
        source.is_some_and(|source| known.contains(&&*source)) && records == Some(Kind::Object)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let cluster = match root.text("/eventSourceArn")? {
            Some(arn) => arn.into_owned(),
            None => {
                let servers = root.need("/bootstrapServers")?;
                let first = servers.split(',').next().unwrap_or_default().trim();
                format!("//{first}")
            }
        };
        let mut events = Vec::new();
        for (_, records) in root.need_object("/records")?.members() {
            if records.kind() != Kind::Array {
                return Err(records.wrong("an array of records"));
            }
            for record in records.items() {
                events.push(event(&cluster, record)?);
            }
        }
        Ok(events.into())
    }
}

fn event(cluster: &str, record: Value<'_>) -> Result<Event, Error> {
    let topic = record.need("/topic")?;
    let partition = record.need_scalar("/partition")?;
    let offset = record.need_scalar("/offset")?;
    // Kafka's -1 says that there is no time.
    let time = record
        .get("timestamp")
        .filter(|time| !time.raw().starts_with('-'));
    Draft::new(
        format!("partition:{partition}/offset:{offset}"),
        format!("{cluster}#{topic}"),
        "com.amazonaws.kafka.record",
    )
    .subject(Some(format!("partition:{partition}#{offset}")))
    .time(time.and_then(time::of))
    .extension("partitionkey", record.text("/key")?)
    .json(record)
    .build(record)
}
