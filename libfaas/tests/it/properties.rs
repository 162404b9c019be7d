//! Properties that hold for all events, messages and bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use libfaas::{
    AttributeValue, Cancel, Code, Context, Data, Encoding, Event, EventDecoder, EventView, Hello,
    JsonText, Limits, Manifest, Message, MessageDecoder, Received, Status, Timestamp, Violation,
    encode_event, encode_message,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::meaning;

/// Text that an attribute may have: no control characters, no noncharacters.
fn text() -> impl Strategy<Value = String> {
    "[ -~\u{A0}-\u{FF}\u{2603}\u{1F600}]{0,12}"
}

fn name() -> impl Strategy<Value = String> {
    "x[a-z0-9]{0,8}"
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            btree_map("[a-z\"\\\\é]{0,3}", inner, 0..4).prop_map(|members| {
                let members = members.iter().map(|(key, value)| {
                    format!("{}:\n{value}", serde_json::to_string(key).unwrap())
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn data() -> impl Strategy<Value = Option<(Option<&'static str>, Data)>> {
    let bytes = || vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let json_type = prop_oneof![
        Just(None),
        Just(Some("application/json")),
        Just(Some("a/b+json; v=1"))
    ];
    option::of(prop_oneof![
        (
            prop_oneof![Just(None), Just(Some("image/png")), Just(Some("text/json"))],
            bytes()
        )
            .prop_map(|(ty, bytes)| (ty, Data::Binary(bytes))),
        (
            prop_oneof![Just(None), Just(Some("text/plain"))],
            any::<String>()
        )
            .prop_map(|(ty, text)| (ty, Data::Text(text.into()))),
        (json_type, json()).prop_map(|(ty, json)| (ty, Data::Json(JsonText::new(json).unwrap()))),
        ("[a-z.]{1,8}/[A-Z]{1,8}", bytes())
            .prop_map(|(type_url, value)| (None, Data::Proto { type_url, value })),
    ])
}

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<bool>().prop_map(AttributeValue::from),
        any::<i32>().prop_map(AttributeValue::from),
        text().prop_map(AttributeValue::from),
        vec(any::<u8>(), 0..12).prop_map(AttributeValue::from),
        "urn:[a-z]{1,8}".prop_map(|text| AttributeValue::Uri(text.into())),
        "/?[a-z]{0,8}(#[a-z]{0,3})?".prop_map(|text| AttributeValue::UriRef(text.into())),
        time().prop_map(AttributeValue::from),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800i64..=253_402_300_799, 0u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    let subject = option::of(text().prop_filter("non-empty", |text| !text.is_empty()));
    let optional = (subject, option::of(time()), option::of("urn:[a-z]{1,8}"));
    let required = (text(), "/[a-z%]{0}[a-z]{0,8}", text());
    (required, optional, btree_map(name(), value(), 0..4), data()).prop_map(
        |((id, source, ty), (subject, time, schema), extensions, data)| {
            let mut event = Event::builder(format!("i{id}"), source, format!("t{ty}"));
            for (name, value) in extensions {
                event = event.attribute(name, value);
            }
            if let Some(subject) = subject {
                event = event.subject(subject);
            }
            if let Some(time) = time {
                event = event.attribute("time", time);
            }
            if let Some(schema) = schema {
                event = event.dataschema(schema);
            }
            if let Some((ty, data)) = data {
                event = event.data(data);
                if let Some(ty) = ty {
                    event = event.datacontenttype(ty);
                }
            }
            event.build().unwrap()
        },
    )
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[A-Z][A-Z0-9_]{0,6}", any::<String>(), 0..3)
}

fn status() -> impl Strategy<Value = Status> {
    (0u32..17, any::<String>(), map()).prop_map(|(code, message, details)| Status {
        code: Code::from_number(code),
        message,
        details,
    })
}

fn context() -> impl Strategy<Value = Context> {
    (
        any::<String>(),
        any::<u32>(),
        option::of(any::<i64>()),
        vec(any::<String>(), 3),
        map(),
    )
        .prop_map(|(invocation_id, attempt, deadline_ms, texts, extra)| {
            let [traceparent, tracestate, baggage] = texts.try_into().unwrap();
            Context {
                invocation_id,
                attempt,
                deadline_ms,
                traceparent,
                tracestate,
                baggage,
                extra,
            }
        })
}

/// A message that is no hello; with `more` its event has data that may go on.
fn message() -> impl Strategy<Value = Message> {
    let fields = (
        option::of(context()),
        option::of(event()),
        option::of(vec(any::<u8>(), 0..20).prop_map(Bytes::from)),
        any::<bool>(),
        option::of(status()),
        option::of(any::<String>().prop_map(|reason| Cancel { reason })),
    );
    (1..=Message::MAX_CALL, fields).prop_map(
        |(call, (context, event, chunk, more, end, cancel))| {
            let event = match event {
                Some(event) if more => event.split(7).map(|(first, _)| first),
                event => event,
            };
            Message {
                call,
                context,
                event,
                chunk,
                more,
                end,
                cancel,
                hello: None,
            }
        },
    )
}

fn hello() -> Message {
    let hello = Hello {
        fsi: "1.0".into(),
        producer: "properties".into(),
        status: Status::ok(),
    };
    Message {
        hello: Some(hello),
        ..Message::default()
    }
}

fn encoding() -> impl Strategy<Value = Encoding> {
    proptest::sample::select(Encoding::ALL)
}

/// Everything a decoder gives for bytes that come in these pieces.
fn decode(encoding: Encoding, pieces: &[&[u8]]) -> (Vec<Received>, Option<Violation>) {
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    let mut received = Vec::new();
    for at in 0..=pieces.len() {
        match pieces.get(at) {
            Some(piece) => decoder.push(piece),
            None => decoder.finish(),
        }
        loop {
            match decoder.next() {
                Ok(Some(message)) => received.push(message),
                Ok(None) => break,
                Err(fault) => return (received, Some(fault)),
            }
        }
    }
    (received, None)
}

fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places {
        pieces.push(&bytes[start..place]);
        start = place;
    }
    pieces.push(&bytes[start..]);
    pieces
}

/// A message as a reader of the encoding sees it.
fn carried(message: &Message, encoding: Encoding) -> Message {
    let event = message.event.as_ref().map(|event| {
        let is_text = matches!(event.data(), Some(Data::Text(_)));
        let json_piece = message.more
            && is_text
            && event
                .datacontenttype()
                .is_some_and(|ty| ty.contains("json"));
        // Half a JSON value travels as bytes in JSON.
        match event.data() {
            Some(Data::Text(text)) if json_piece && encoding == Encoding::Json => {
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                meaning::as_carried(&event.to_builder().data(bytes).build().unwrap(), encoding)
            }
            _ if json_piece => event.clone(),
            _ => meaning::as_carried(event, encoding),
        }
    });
    Message {
        event,
        ..message.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_survive_each_encoding(event in event(), first in encoding(), second in encoding()) {
        let limits = Limits::default();
        let once = Event::decode(event.encode(first), first, &limits).unwrap();
        prop_assert_eq!(&once, &meaning::as_carried(&event, first));
        let twice = Event::decode(once.encode(second), second, &limits).unwrap();
        prop_assert_eq!(twice, meaning::as_carried(&once, second));
    }

    #[test]
    fn messages_survive_each_encoding_in_any_pieces(
        messages in vec(message(), 0..4),
        encoding in encoding(),
        places in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        encode_message(&hello(), encoding, &mut bytes);
        for message in &messages {
            encode_message(message, encoding, &mut bytes);
        }
        let (received, fault) = decode(encoding, &cut(&bytes, &places));
        prop_assert_eq!(fault, None);
        let expected: Vec<_> = std::iter::once(hello()).chain(messages.iter().map(|message| carried(message, encoding))).collect();
        let read: Vec<_> = received.into_iter().map(|received| received.message).collect();
        prop_assert_eq!(read, expected);
    }

    /// Good streams with a byte changed, removed or added, in any pieces: the same messages and the
    /// same rule, no panic, and an end.
    #[test]
    fn broken_streams_are_read_alike_in_any_pieces(
        message in message(),
        encoding in encoding(),
        (place, byte, how) in (any::<prop::sample::Index>(), any::<u8>(), 0..3),
        places in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        encode_message(&hello(), encoding, &mut bytes);
        encode_message(&message, encoding, &mut bytes);
        let place = place.index(bytes.len());
        match how {
            0 => bytes[place] = byte,
            1 => drop(bytes.remove(place)),
            _ => bytes.insert(place, byte),
        }
        let whole = decode(encoding, &[&bytes]);
        let pieces = decode(encoding, &cut(&bytes, &places));
        prop_assert_eq!(whole.0, pieces.0);
        let place = |fault: Option<Violation>| fault.map(|fault| (fault.rule(), fault.offset()));
        prop_assert_eq!(place(whole.1), place(pieces.1));
    }

    #[test]
    fn any_bytes_end_in_messages_or_a_violation(bytes in vec(any::<u8>(), 0..200), encoding in encoding()) {
        let (received, _) = decode(encoding, &[&bytes]);
        prop_assert!(received.len() <= bytes.len());
        let mut decoder = EventDecoder::new(encoding, Limits::default());
        decoder.push(&bytes);
        decoder.finish();
        for _ in 0..=bytes.len() {
            match decoder.next() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(fault) => prop_assert!(fault.offset() <= bytes.len() as u64),
            }
        }
        prop_assert!(decoder.next().is_err(), "the decoder goes on for ever");
    }

    #[test]
    fn data_in_pieces_comes_together(event in event(), inline in 0usize..60) {
        if let Some((first, rest)) = event.split(inline) {
            let whole = first.complete(&rest).unwrap();
            let expected = match event.data() {
                None => event.to_builder().data(Bytes::new()).build().unwrap(),
                Some(Data::Json(_)) => meaning::as_carried(&event, Encoding::Protobuf),
                Some(_) => event,
            };
            prop_assert_eq!(whole, expected);
        }
    }

    /// What a view shows is what the event has.
    #[test]
    fn views_show_the_event(event in event()) {
        let (protobuf, capnp) = (event.encode(Encoding::Protobuf), event.encode(Encoding::Capnp));
        let event = meaning::as_carried(&event, Encoding::Protobuf);
        for view in [EventView::protobuf(&protobuf).unwrap(), EventView::capnp(&capnp, &Limits::default()).unwrap()] {
            prop_assert_eq!((view.id(), view.source(), view.ty()), (event.id(), event.source(), event.ty()));
            for (name, value) in event.attributes() {
                prop_assert!(crate::views::same_value(view.attribute(name).unwrap(), value), "{}", name);
            }
            prop_assert_eq!(view.attribute("absent"), None);
            prop_assert!(crate::views::same_data(view.data(), event.data()));
        }
    }

    /// An overlay is what building the event anew would give.
    #[test]
    fn overlays_are_later_attributes(
        message in message().prop_filter("an event", |message| message.event.is_some()),
        attributes in btree_map(name(), value(), 0..4),
    ) {
        let mut encoded = Vec::new();
        encode_message(&message, Encoding::Protobuf, &mut encoded);
        let overlay = attributes.iter().try_fold(libfaas::Overlay::new(), |overlay, (name, value)| overlay.attribute(name, value.clone())).unwrap();
        let laid = overlay.on_message(&encoded).unwrap().concat();
        let mut stream = Vec::new();
        encode_message(&hello(), Encoding::Protobuf, &mut stream);
        stream.extend(laid);
        let (received, fault) = decode(Encoding::Protobuf, &[&stream]);
        prop_assert_eq!(fault, None);
        let before = carried(&message, Encoding::Protobuf);
        let read = received[1].message.event.as_ref().unwrap();
        for (name, value) in before.event.as_ref().unwrap().attributes() {
            prop_assert_eq!(read.attribute(name), Some(attributes.get(name).unwrap_or(value)));
        }
        for (name, value) in &attributes {
            prop_assert_eq!(read.attribute(name), Some(value));
        }
        let rest = Message { event: None, ..received[1].message.clone() };
        prop_assert_eq!(rest, Message { event: None, ..before.clone() });
        prop_assert_eq!(read.data(), before.event.as_ref().unwrap().data());
    }

    #[test]
    fn manifests_never_panic(text in "[a-z0-9:\\[\\]{}\",. \n&*-]{0,80}") {
        let _ = Manifest::from_yaml(&text);
        let _ = Manifest::from_json(&text);
        let yaml = format!("fsi: \"1.0\"\nname: f\ncommand: [c]\nmodes: [stream]\n{text}");
        if let Ok(manifest) = Manifest::from_yaml(&yaml) {
            prop_assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
        }
    }

    /// The generated types of another implementation read what is written here, and the other way round.
    #[test]
    fn prost_agrees(message in message()) {
        use prost::Message as _;
        let mut bytes = Vec::new();
        encode_message(&message, Encoding::Protobuf, &mut bytes);
        let theirs = faas_schemas::protobuf::fsi::v1::Message::decode_length_delimited(&bytes[..]).unwrap();
        prop_assert_eq!(theirs.call, message.call);
        prop_assert_eq!(theirs.event.is_some(), message.event.is_some());
        let again = Message::decode(theirs.encode_to_vec(), Encoding::Protobuf, &Limits::default()).unwrap();
        prop_assert_eq!(again.message, carried(&message, Encoding::Protobuf));
    }
}

/// An event whose JSON is as deep as a document may be goes into a message, where it is too deep.
#[test]
fn json_too_deep_for_a_message_goes_as_bytes() {
    let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    let event = Event::builder("1", "/s", "t")
        .data(JsonText::new(deep.clone()).unwrap())
        .build()
        .unwrap();
    let mut bytes = Vec::new();
    encode_event(&event, Encoding::Json, &mut bytes);
    assert_eq!(
        Event::decode(bytes, Encoding::Json, &Limits::default()).unwrap(),
        event
    );

    let mut bytes = Vec::new();
    encode_message(&hello(), Encoding::Json, &mut bytes);
    encode_message(
        &Message {
            call: 1,
            event: Some(event),
            ..Message::default()
        },
        Encoding::Json,
        &mut bytes,
    );
    let (received, fault) = decode(Encoding::Json, &[&bytes]);
    assert_eq!(fault, None);
    let read = received[1].message.event.as_ref().unwrap();
    assert_eq!(read.data(), Some(&Data::Binary(deep.into())));
    assert_eq!(read.datacontenttype(), Some("application/json"));
}
