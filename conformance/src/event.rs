//! The events that cases name with a `$`: the person's sample, and events for the probe.

use libfaas::{AttributeValue, Data, Event, JsonText, Timestamp};
use serde_json::{Value, json};

/// The events of a run. Their identifiers come from the seed, so that a subject can't know them.
#[derive(Clone, Debug)]
pub struct Events {
    seed: u64,
    sample: Event,
}

impl Events {
    /// The events of a run with this seed and this sample.
    pub fn new(seed: u64, sample: Event) -> Events {
        Events { seed, sample }
    }

    /// The sample that stands for itself where the probe is judged: an event to echo.
    pub fn echo_sample(seed: u64) -> Event {
        probe_echo(seed, "text")
            .build()
            .expect("valid by construction")
    }

    /// The event of a name, such as `$sample`; `None` if there is none of that name.
    pub fn named(&self, name: &str) -> Option<Event> {
        let builder = match name {
            "$sample" => return Some(self.sample.clone()),
            "$text" => probe_echo(self.seed, "text"),
            "$empty" => Event::builder(self.id("empty"), "/suite", "fsi.probe.echo"),
            "$json" => Event::builder(self.id("json"), "/suite", "fsi.probe.echo")
                .datacontenttype("application/json")
                .json(&json!({"list": [1, 2.50, "three", null, true], "text": "naïve ☃", "nested": {"a": {"b": []}}})),
            "$binary" => Event::builder(self.id("binary"), "/suite", "fsi.probe.echo")
                .datacontenttype("application/octet-stream")
                // Every byte value, so also line feeds, NUL, and no UTF-8.
                .data((0..=255).collect::<Vec<u8>>()),
            "$numbers" => Event::builder(self.id("numbers"), "/suite", "fsi.probe.echo")
                .datacontenttype("application/json")
                .data(
                    JsonText::new(
                        r#"{"order":12345678901234567891,"price":0.100000000000000000000001}"#,
                    )
                    .expect("JSON"),
                ),
            "$typed" => self.typed(),
            _ => return None,
        };
        Some(builder.build().expect("valid by construction"))
    }

    /// An event for the probe: `{"$probe": "emit", "data": …}`, or with `"size"`: that many bytes of
    /// binary data, or `"characters"`: text of that many two-byte characters.
    pub fn probe(&self, spec: &serde_json::Map<String, Value>) -> Result<Event, String> {
        let name = spec
            .get("$probe")
            .and_then(Value::as_str)
            .ok_or("`$probe` names one of the probe's types")?;
        let id = match spec.get("id") {
            Some(id) => id.as_str().ok_or("`id` is a string")?.to_owned(),
            None => self.id(name),
        };
        let mut event = Event::builder(id, "/suite", format!("fsi.probe.{name}"));
        for (key, value) in spec {
            event = match (key.as_str(), value.as_u64()) {
                ("$probe" | "id", _) => event,
                ("data", _) => event.datacontenttype("application/json").json(value),
                ("size", Some(size)) => {
                    let mut random = fastrand::Rng::with_seed(self.seed ^ size);
                    let mut data = vec![0; size as usize];
                    random.fill(&mut data);
                    event.datacontenttype("application/octet-stream").data(data)
                }
                ("characters", Some(n)) => event
                    .datacontenttype("text/plain")
                    .data("é".repeat(n as usize)),
                _ => {
                    return Err(format!(
                        "`{key}` is none of `id`, `data`, `size`, `characters`"
                    ));
                }
            };
        }
        event.build().map_err(|e| e.to_string())
    }

    /// An event for the recorder: `{"$recorder": STEPS}`, for a stage of a pipeline with `"stage"`.
    pub fn recorder(&self, spec: &serde_json::Map<String, Value>) -> Result<Event, String> {
        let mut data = json!({ "do": spec["$recorder"] });
        for (key, value) in spec.iter().filter(|(key, _)| *key != "$recorder") {
            match key.as_str() {
                "stage" => data["stage"] = value.clone(),
                _ => return Err(format!("`{key}` is not `stage`")),
            }
        }
        Event::builder(self.id("recorder"), "/suite", "fsi.recorder.play")
            .datacontenttype("application/json")
            .json(&data)
            .build()
            .map_err(|e| e.to_string())
    }

    /// The context of the name `$context`: every field, with values that W3C's grammars allow.
    pub fn context(&self) -> Value {
        json!({
            "invocationId": self.id("invocation"),
            "attempt": 2,
            // The year 2100: late enough never to matter, and the same in every run.
            "deadlineMs": 4_102_444_800_000_i64,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "vendor=opaque,other=1",
            "baggage": "user=alice,tier=gold",
            "extra": {"REGION": "north", "ZONE_2": "a b"},
        })
    }

    fn id(&self, what: &str) -> String {
        format!("{what}-{:x}", self.seed)
    }

    /// All seven attribute types, and every optional attribute.
    fn typed(&self) -> libfaas::EventBuilder {
        let time = Timestamp::from_unix(1_700_000_000, 123_456_789).expect("in range");
        Event::builder(
            self.id("typed"),
            "https://example.org/suite?q=1#f",
            "fsi.probe.echo",
        )
        .subject("über/alles")
        .time("2024-02-29T23:59:59.5Z")
        .datacontenttype("text/plain; charset=utf-8")
        .dataschema("https://example.org/schema/1")
        .attribute("aboolean", AttributeValue::Boolean(true))
        .attribute("abooleanfalse", AttributeValue::Boolean(false))
        .attribute("ainteger", AttributeValue::Integer(i32::MIN))
        .attribute("astring", AttributeValue::String("line ☃".into()))
        .attribute("abinary", AttributeValue::Binary(vec![0, 10, 255].into()))
        .attribute("auri", AttributeValue::Uri("urn:isbn:0451450523".into()))
        .attribute("auriref", AttributeValue::UriRef("../relative?x".into()))
        .attribute("atimestamp", AttributeValue::Timestamp(time))
        .data(Data::Text("with types".into()))
    }
}

fn probe_echo(seed: u64, what: &str) -> libfaas::EventBuilder {
    Event::builder(format!("{what}-{seed:x}"), "/suite", "fsi.probe.echo")
        .subject("greeting")
        .datacontenttype("text/plain")
        .data("hello, wörld")
}
