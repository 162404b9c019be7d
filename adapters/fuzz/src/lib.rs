//! What must hold for every delivery, whatever it is.

use faas_adapters::{ADAPTERS, Adapter, Answer, Delivery, Response, candidates, detect};
use libfaas::{Code, Data, Encoding, Event, Limits, Status};

/// Their names, and what is done with the bytes.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[("deliveries", delivery)];

/// Maps a delivery with every adapter, and answers it: its description, a zero byte and the payload, or the payload alone.
pub fn delivery(bytes: &[u8]) {
    let (description, payload) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (&[][..], bytes),
    };
    let now = "2026-11-21T09:30:00Z".parse().expect("a timestamp");
    let mut delivery = Delivery::new(payload.to_vec(), now, "generated");
    if !description.is_empty() && delivery.describe(description).is_err() {
        return;
    }
    let known = candidates(&delivery);
    assert_eq!(detect(&delivery).is_ok(), known.len() == 1);
    for adapter in ADAPTERS {
        adapt(*adapter, &delivery);
    }
}

fn adapt(adapter: &dyn Adapter, delivery: &Delivery) {
    let name = adapter.about().name;
    let outcome = adapter.events(delivery);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let pointer = error.pointer();
            assert!(pointer.is_empty() || pointer.starts_with('/'), "{error}");
            assert_eq!(adapter.events(delivery), Err(error), "{name} is not pure");
            return;
        }
    };
    for event in &outcome.events {
        check(name, delivery, event);
    }
    answer(adapter, delivery, outcome.events.len());
}

fn check(name: &str, delivery: &Delivery, event: &Event) {
    let limits = Limits {
        max_message_bytes: 64 << 20,
        ..Limits::default()
    };
    let back = Event::decode(event.encode(Encoding::Json), Encoding::Json, &limits);
    assert_eq!(back.as_ref(), Ok(event), "{name}");
    if let (true, Some(Data::Json(data))) = (name.starts_with("aws."), event.data()) {
        let payload = String::from_utf8_lossy(&delivery.payload);
        assert!(
            payload.contains(data.as_str()),
            "{name}: data is not verbatim"
        );
    }
}

/// A batch fails closed: as many failures as records, unless all are OK.
fn answer(adapter: &dyn Adapter, delivery: &Delivery, events: usize) {
    let failed = vec![Answer::failed(Status::new(Code::Internal, "")); events];
    let good = vec![Answer::ok([]); events];
    let many = vec![Answer::ok([]); events + 1];
    for (answers, failures) in [
        (failed, events),
        (good, 0),
        (many, events),
        (Vec::new(), events),
    ] {
        if let Ok(Response::Value(value)) = adapter.reply(delivery, &answers) {
            let reported = value.as_str().matches("\"itemIdentifier\"").count();
            if value.as_str().starts_with("{\"batchItemFailures\"") {
                assert!(
                    reported >= failures,
                    "{}: {failures} failed, {reported} reported",
                    adapter.about().name
                );
            }
        }
    }
}
