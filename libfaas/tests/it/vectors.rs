//! Every vector of `schemas/vectors`, whole and in pieces.

use libfaas::{
    Encoding, Event, EventDecoder, JsonText, Limits, Message, MessageDecoder, Received, Violation,
    encode_event, encode_message,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::meaning;

#[derive(Deserialize)]
struct Vector {
    name: String,
    bytes: Option<String>,
    text: Option<String>,
    meaning: Option<Box<RawValue>>,
    breaks: Option<String>,
    severity: Option<String>,
    call: Option<u64>,
    before: Option<usize>,
    #[serde(default)]
    stateful: bool,
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        match (&self.bytes, &self.text) {
            (Some(hex), None) => data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
            (None, Some(text)) => text.clone().into_bytes(),
            _ => panic!("{}: either bytes or text", self.name),
        }
    }

    fn meaning(&self) -> JsonText {
        JsonText::new(self.meaning.as_ref().unwrap().get()).unwrap()
    }

    fn expect_breach(&self, fault: &Violation) {
        assert_eq!(fault.rule(), self.breaks.as_deref().unwrap(), "{fault}");
        let severity = if fault.is_invalid_event() {
            "event"
        } else {
            "malformed"
        };
        assert_eq!(severity, self.severity.as_deref().unwrap(), "{fault}");
    }
}

/// Runs `check` on each vector of a file in each encoding, and names the vector that fails.
fn each(file: &str, check: impl Fn(&Vector, Encoding) + std::panic::RefUnwindSafe) {
    let mut failed = Vec::new();
    for &encoding in Encoding::ALL {
        let path = format!(
            "{}/../schemas/vectors/{encoding}/{file}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let vectors: Vec<Vector> =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(!vectors.is_empty(), "{path}");
        for vector in &vectors {
            let result = std::panic::catch_unwind(|| check(vector, encoding));
            if let Err(panic) = result {
                let text = panic.downcast_ref::<String>().cloned();
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                failed.push(format!(
                    "{encoding}/{file}: {}\n    {}",
                    vector.name,
                    text.unwrap_or_default()
                ));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} vectors failed\n{}",
        failed.len(),
        failed.join("\n")
    );
}

fn decode(vector: &Vector, encoding: Encoding) -> Result<Event, Violation> {
    Event::decode(vector.bytes(), encoding, &Limits::default())
}

fn decode_message(vector: &Vector, encoding: Encoding) -> Result<Received, Violation> {
    Message::decode(vector.bytes(), encoding, &Limits::default())
}

#[test]
fn valid_events() {
    each("event-valid", |vector, encoding| {
        let event = decode(vector, encoding).unwrap();
        assert_eq!(meaning::event(&event), vector.meaning());
        let again = Event::decode(event.encode(encoding), encoding, &Limits::default()).unwrap();
        assert_eq!(again, event, "after a relay");
    });
}

#[test]
fn invalid_events() {
    each("event-invalid", |vector, encoding| {
        vector.expect_breach(&decode(vector, encoding).unwrap_err())
    });
}

#[test]
fn valid_messages() {
    each("message-valid", |vector, encoding| {
        let received = decode_message(vector, encoding).unwrap();
        assert_eq!(received.invalid_event, None);
        assert_eq!(meaning::message(&received.message), vector.meaning());
    });
}

#[test]
fn invalid_messages() {
    each("message-invalid", |vector, encoding| {
        match decode_message(vector, encoding) {
            Err(fault) => vector.expect_breach(&fault),
            Ok(received) => {
                assert!(received.message.event.is_none());
                assert_eq!(Some(received.message.call), vector.call);
                vector.expect_breach(
                    &received
                        .invalid_event
                        .expect("an invalid event or malformed"),
                );
            }
        }
    });
}

/// What a stream gave: the meaning of each document, and the fault that ended it.
type Read = (Vec<String>, Option<Violation>);

fn read_events(encoding: Encoding, pieces: &[&[u8]]) -> Read {
    let mut decoder = EventDecoder::new(encoding, Limits::default());
    let mut read = Vec::new();
    for at in 0..=pieces.len() {
        match pieces.get(at) {
            Some(piece) => decoder.push(piece),
            None => decoder.finish(),
        }
        loop {
            match decoder.next() {
                Ok(Some(event)) => read.push(meaning::event(&event).as_str().to_owned()),
                Ok(None) => break,
                Err(fault) => {
                    let again = decoder.next();
                    assert_eq!(
                        again == Err(fault.clone()),
                        !fault.is_invalid_event(),
                        "poisoned or not"
                    );
                    return (read, Some(fault));
                }
            }
        }
    }
    (read, None)
}

fn read_messages(encoding: Encoding, pieces: &[&[u8]]) -> Read {
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    let mut read = Vec::new();
    for at in 0..=pieces.len() {
        match pieces.get(at) {
            Some(piece) => decoder.push(piece),
            None => decoder.finish(),
        }
        loop {
            match decoder.next() {
                Ok(Some(received)) => read.push(meaning::received(&received).as_str().to_owned()),
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(decoder.next(), Err(fault.clone()), "poisoned");
                    return (read, Some(fault));
                }
            }
        }
    }
    (read, None)
}

/// Reads a stream whole, byte by byte, and cut in two at each place; all give the same.
fn any_pieces(bytes: &[u8], read: impl Fn(&[&[u8]]) -> Read) -> Read {
    let whole = read(&[bytes]);
    // A few vectors are as large as the message limit.
    if bytes.len() > 64 << 10 {
        let pieces: Vec<_> = bytes.chunks(60_001).collect();
        assert_eq!(read(&pieces), whole, "in pieces of 60,001 bytes");
        return whole;
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_same(&read(&single), &whole, "byte by byte");
    for at in 0..=bytes.len().min(600) {
        let (a, b) = bytes.split_at(at);
        assert_same(&read(&[a, b]), &whole, &format!("cut at {at}"));
    }
    whole
}

/// A banner is quoted as far as it had come, so of a fault only the rule and the place count.
fn assert_same(a: &Read, b: &Read, how: &str) {
    let place = |read: &Read| read.1.as_ref().map(|fault| (fault.rule(), fault.offset()));
    assert_eq!((&a.0, place(a)), (&b.0, place(b)), "{how}");
}

fn check_stream(vector: &Vector, read: impl Fn(&[&[u8]]) -> Read) {
    let (documents, fault) = any_pieces(&vector.bytes(), read);
    if vector.meaning.is_some() {
        assert_eq!(fault, None);
        let list = JsonText::new(format!("[{}]", documents.join(","))).unwrap();
        assert_eq!(list, vector.meaning());
        return;
    }
    // Rules of calls are for who knows the calls; the messages themselves can be read.
    let rule = vector.breaks.as_deref().unwrap();
    if vector.stateful && !libfaas::rules().any(|known| known == rule) {
        assert_eq!(fault, None);
        assert!(documents.len() > vector.before.unwrap());
        return;
    }
    assert_eq!(
        documents.len(),
        vector.before.unwrap(),
        "documents before the defect"
    );
    vector.expect_breach(&fault.expect("a violation"));
}

#[test]
fn streams_of_events() {
    for file in ["events-valid", "events-invalid"] {
        each(file, |vector, encoding| {
            check_stream(vector, |pieces| read_events(encoding, pieces))
        });
    }
}

#[test]
fn streams_of_messages() {
    for file in ["messages-valid", "messages-invalid"] {
        each(file, |vector, encoding| {
            check_stream(vector, |pieces| read_messages(encoding, pieces))
        });
    }
}

/// Each valid vector is carried to each encoding and back to where it came from.
#[test]
fn from_each_encoding_to_each() {
    each("event-valid", |vector, encoding| {
        let event = decode(vector, encoding).unwrap();
        for &other in Encoding::ALL {
            let mut bytes = Vec::new();
            encode_event(&event, other, &mut bytes);
            let mut decoder = EventDecoder::new(other, Limits::default());
            decoder.push(&bytes);
            decoder.finish();
            let carried = decoder.next().unwrap().unwrap();
            assert_eq!(carried, meaning::as_carried(&event, other), "in {other}");
            assert_eq!(decoder.next(), Ok(None));
        }
    });
    each("message-valid", |vector, encoding| {
        let message = decode_message(vector, encoding).unwrap().message;
        for &other in Encoding::ALL {
            let mut bytes = Vec::new();
            encode_message(&Message::default().hello_for_test(), other, &mut bytes);
            if message.hello.is_none() {
                encode_message(&message, other, &mut bytes);
            }
            let (documents, fault) = read_messages(other, &[&bytes]);
            assert_eq!(
                (documents.len(), fault),
                (1 + usize::from(message.hello.is_none()), None),
                "in {other}"
            );
        }
    });
}

trait WithHello {
    fn hello_for_test(self) -> Self;
}

impl WithHello for Message {
    fn hello_for_test(self) -> Self {
        Message {
            hello: Some(libfaas::Hello {
                fsi: "1.0".into(),
                ..Default::default()
            }),
            ..self
        }
    }
}
