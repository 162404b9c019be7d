//! Events through `cloudevents-sdk` and back.

use cloudevents::{AttributesReader, EventBuilder, EventBuilderV03, EventBuilderV10};
use libfaas::{AttributeValue, Data, Encoding, Event, Limits};

#[test]
fn an_event_survives() {
    let event = Event::builder("1", "/s", "t")
        .subject("x")
        .time("2026-10-01T14:00:00.5+02:00")
        .dataschema("https://example.com/schema")
        .datacontenttype("application/json")
        .attribute("count", -3)
        .attribute("flag", true)
        .attribute("link", AttributeValue::UriRef("/a".into()))
        .json(&serde_json::json!({"a": [1, 2.5, null]}))
        .build()
        .unwrap();
    let theirs = cloudevents::Event::try_from(&event).unwrap();
    assert_eq!((theirs.id(), theirs.subject()), ("1", Some("x")));
    let back = Event::try_from(&theirs).unwrap();
    let as_text = event.to_builder().attribute("link", "/a").build().unwrap();
    assert_eq!(back, as_text);
}

/// What the SDK writes as JSON, the library reads as what a conversion gives, and the other way round.
#[test]
fn its_json_is_ours() {
    let theirs = EventBuilderV10::new()
        .id("1")
        .source("/s")
        .ty("t")
        .extension("count", 3)
        .data("text/plain", "hello")
        .build()
        .unwrap();
    let json = serde_json::to_string(&theirs).unwrap();
    let read = Event::from_json(json).unwrap();
    assert_eq!(read, Event::try_from(&theirs).unwrap());
    assert_eq!(read.data(), Some(&Data::Text("hello".into())));
    let again: cloudevents::Event = serde_json::from_str(&read.to_json()).unwrap();
    assert_eq!(again, theirs);
}

#[test]
fn losses_are_errors() {
    let event =
        |builder: libfaas::EventBuilder| cloudevents::Event::try_from(&builder.build().unwrap());
    let base = || Event::builder("1", "/s", "t");
    let digits = libfaas::JsonText::new("12345678901234567890.1").unwrap();
    assert!(
        event(base().data(digits))
            .unwrap_err()
            .to_string()
            .starts_with("`data`")
    );
    assert!(
        event(base().dataschema("https://example.com"))
            .unwrap_err()
            .to_string()
            .starts_with("`dataschema`")
    );

    let wide = EventBuilderV10::new()
        .id("1")
        .source("/s")
        .ty("t")
        .extension("n", i64::MAX)
        .build()
        .unwrap();
    assert_eq!(
        Event::try_from(&wide).unwrap_err().rule(),
        "event-integer-range"
    );
    let old = EventBuilderV03::new()
        .id("1")
        .source("/s")
        .ty("t")
        .build()
        .unwrap();
    assert_eq!(
        Event::try_from(&old).unwrap_err().rule(),
        "event-specversion"
    );
}

/// Valid JSON vectors read by the library, carried through the SDK's types, mean the same.
#[test]
fn vectors_survive() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../schemas/vectors/json/event-valid.json"
    );
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut carried = 0;
    for vector in &vectors {
        let text = vector["text"].as_str().unwrap().to_owned();
        let event = Event::decode(text, Encoding::Json, &Limits::default()).unwrap();
        // What can't be held is refused, never changed.
        if let Ok(theirs) = cloudevents::Event::try_from(&event) {
            assert_eq!(
                Event::try_from(&theirs).as_ref(),
                Ok(&event),
                "{}",
                vector["name"]
            );
            carried += 1;
        }
    }
    assert!(
        carried * 10 > vectors.len() * 9,
        "{carried} of {}",
        vectors.len()
    );
}
