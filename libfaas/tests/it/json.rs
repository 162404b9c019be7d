//! JSON streams, by hand.

use libfaas::{Data, Encoding, Limits, MessageDecoder, Violation, encode_message};

fn read(stream: &[u8]) -> Result<Vec<libfaas::Received>, Violation> {
    let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
    let mut messages = Vec::new();
    decoder.push(stream);
    decoder.finish();
    while let Some(message) = decoder.next()? {
        messages.push(message);
    }
    Ok(messages)
}

#[test]
fn digits_survive_a_relay() {
    let line = br#"{"hello":{"fsi":"1.0"}}
{"call":1,"event":{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"price":12345678901234567890.10}}}"#;
    let messages = read(line).unwrap();
    let event = messages[1].message.event.as_ref().unwrap();
    let Some(Data::Json(json)) = event.data() else {
        panic!("{event:?}")
    };
    assert_eq!(json.as_str(), r#"{"price":12345678901234567890.10}"#);
    let mut out = Vec::new();
    encode_message(&messages[1].message, Encoding::Json, &mut out);
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("12345678901234567890.10")
    );
}

#[test]
fn an_invalid_event_costs_its_call_only() {
    let stream = br#"{"hello":{"fsi":"1.0"}}
{"call":1,"event":{"specversion":"1.0","source":"/s","type":"t"},"end":{}}
{"call":2,"end":{}}"#;
    let messages = read(stream).unwrap();
    assert_eq!(messages.len(), 3);
    let fault = messages[1].invalid_event.as_ref().unwrap();
    assert_eq!(
        (fault.rule(), fault.is_invalid_event()),
        ("event-required-attribute", true)
    );
    assert!(messages[1].message.event.is_none() && messages[1].message.end.is_some());
}

#[test]
fn malformed_streams() {
    let hello = r#"{"hello":{"fsi":"1.0"}}"#;
    for (rule, line) in [
        ("hello-once", hello),
        ("json-object", r#"{"call":1,}"#),
        ("json-object", r#"{"call":01}"#),
        ("encoding-truncated", r#"{"call":1"#),
        ("json-object", r#"[1]"#),
        ("json-object", r#"{"call":1} {"call":2}"#),
        ("json-duplicate-member", r#"{"call":1,"call":1}"#),
        (
            "json-duplicate-member",
            r#"{"call":1,"new":[{"a":1,"\u0061":1}]}"#,
        ),
        ("json-null-member", r#"{"call":1,"end":null}"#),
        ("json-null-member", r#"{"call":1,"end":{"message":null}}"#),
        ("json-member-type", r#"{"call":"1"}"#),
        ("json-member-type", r#"{"call":1.0}"#),
        ("json-member-type", r#"{"call":1,"event":[]}"#),
        ("json-member-type", r#"{"call":1,"end":{"code":5}}"#),
        ("json-base64", r#"{"call":1,"chunk":"eA"}"#),
        ("message-call-range", r#"{"call":4503599627370496}"#),
        ("message-call-range", r#"{"call":99999999999999999999}"#),
        ("message-call-zero", r#"{"end":{}}"#),
        ("json-no-bom", "\u{feff}{}"),
    ] {
        let fault = read(format!("{hello}\n{line}").as_bytes()).unwrap_err();
        assert_eq!(fault.rule(), rule, "{line}: {fault}");
        assert!(
            !fault.is_invalid_event() && fault.offset() >= hello.len() as u64,
            "{line}: {fault}"
        );
    }
    assert_eq!(
        read(b"Loading the model").unwrap_err().rule(),
        "hello-missing"
    );
}

/// Line ends between the tokens of JSON data would cut the line that it is written on.
#[test]
fn json_data_is_written_on_one_line() {
    let text = "{\n \"a\":\r\n [1,\r2]}\n";
    let data = libfaas::JsonText::new(text).unwrap();
    let event = libfaas::Event::builder("1", "/s", "t")
        .data(data)
        .build()
        .unwrap();
    let json = event.to_json();
    assert!(!json.contains(['\n', '\r']), "{json}");
    assert_eq!(libfaas::Event::from_json(json), Ok(event));
}

/// Inside a literal, an escape or a character too: what a function may still finish depends on it.
#[test]
fn a_stream_that_ends_anywhere_inside_a_message_is_cut() {
    let message = r#"{"call":1,"event":{"specversion":"1.0","id":"\u00e9","source":"/s","type":"é","data":[null,false,-1.5e+2]},"more":true}"#;
    for length in 1..message.len() {
        let mut decoder = MessageDecoder::new(Encoding::Json, Limits::default());
        decoder.push(b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n");
        decoder.push(&message.as_bytes()[..length]);
        decoder.finish();
        assert!(decoder.next().unwrap().unwrap().message.hello.is_some());
        let fault = decoder.next().unwrap_err();
        assert!(
            fault.is_cut(),
            "{}: {fault}",
            &message.as_bytes()[..length].escape_ascii()
        );
    }
}
