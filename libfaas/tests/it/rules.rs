//! What violations say, and that the rules they name are in the specification.

use libfaas::{Encoding, Environment, Event, EventDecoder, Limits, MessageDecoder};

/// Headings of the sixth level on the specification's pages.
fn headings() -> Vec<String> {
    let mut headings = Vec::new();
    for page in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec")).unwrap() {
        let path = page.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(path).unwrap();
            headings.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("###### "))
                    .map(str::to_owned),
            );
        }
    }
    headings
}

#[test]
fn each_is_a_heading_of_the_specification() {
    let headings = headings();
    let unknown: Vec<_> = libfaas::rules()
        .filter(|rule| !headings.iter().any(|heading| heading == rule))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn of_messages(encoding: Encoding, bytes: &[u8]) -> String {
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    decoder.push(bytes);
    decoder.finish();
    loop {
        match decoder.next() {
            Ok(Some(received)) => {
                if let Some(fault) = received.invalid_event {
                    return fault.to_string();
                }
            }
            Ok(None) => return "none".to_owned(),
            Err(fault) => return fault.to_string(),
        }
    }
}

#[test]
fn they_read_as_sentences() {
    let hello = "{\"hello\":{\"fsi\":\"1.0\"}}\n";
    let json = |line: &str| of_messages(Encoding::Json, format!("{hello}{line}").as_bytes());
    let all = [
        of_messages(Encoding::Json, b"Loading the model, please wait\n"),
        of_messages(
            Encoding::Protobuf,
            "Café geöffnet: \u{1b}[1mready\n".as_bytes(),
        ),
        of_messages(Encoding::Capnp, b"ready"),
        of_messages(Encoding::Json, b"\x08\xfa\x01\x05"),
        json("{\"call\":1,\"end\":null}"),
        json("{\"call\":1,\"call\":2}"),
        json("{\"call\":1,\"e"),
        json(
            "{\"call\":1,\"event\":{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"%\",\"type\":\"t\"}}",
        ),
        of_messages(
            Encoding::Protobuf,
            b"\x08\xfa\x01\x05\x0a\x031.0\xff\xff\xff\xff\x0f",
        ),
        of_messages(
            Encoding::Protobuf,
            b"\x08\xfa\x01\x05\x0a\x031.0\x08\x08\x01",
        ),
        Event::builder("1", "/s", "t")
            .attribute("Bad Name", 1)
            .build()
            .unwrap_err()
            .to_string(),
        Environment::from_vars([("FAAS_MODE", "batch")])
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn limits_hold_before_the_bytes_are_there() {
    let limits = Limits {
        max_message_bytes: 100,
        ..Limits::default()
    };
    for (encoding, bytes) in [
        (Encoding::Json, vec![b'{'; 101]),
        (Encoding::Protobuf, vec![101]),
        (Encoding::Capnp, [[0, 0, 0, 0], [13, 0, 0, 0]].concat()),
    ] {
        let mut decoder = EventDecoder::new(encoding, limits);
        decoder.push(&bytes);
        let fault = decoder.next().unwrap_err();
        assert!(fault.is_too_large(), "{encoding}: {fault}");
    }
}
