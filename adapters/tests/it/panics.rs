//! Whatever comes, an adapter answers: with events, with a notice, with an error that points somewhere.

use faas_adapters::{ADAPTERS, Answer, Delivery, Document, candidates, detect};
use libfaas::{Event, Status};
use proptest::prelude::*;

use crate::samples;

fn everything(delivery: &Delivery) {
    let _ = (
        candidates(delivery),
        detect(delivery).map(|one| one.about()),
    );
    let result = Event::builder("1", "/f", "fsi.http.response")
        .json(&1)
        .build()
        .unwrap();
    for adapter in ADAPTERS {
        match adapter.events(delivery) {
            Ok(outcome) => {
                for count in [0, outcome.events.len(), outcome.events.len() + 1] {
                    let answers = vec![Answer::ok([result.clone()]); count];
                    let _ = adapter.reply(delivery, &answers);
                }
            }
            Err(error) => {
                assert!(error.pointer().is_empty() || error.pointer().starts_with('/'));
                if let (Document::Payload, Ok(json)) = (error.document(), delivery.json()) {
                    // What is above the place in question is there.
                    let above = error
                        .pointer()
                        .rsplit_once('/')
                        .map_or("", |(above, _)| above);
                    let above = above.rsplit_once('/').map_or("", |(above, _)| above);
                    assert!(
                        above.is_empty()
                            || json.root().at(above).is_some()
                            || error.found() == "nothing",
                        "{error}"
                    );
                }
            }
        }
        let _ = adapter.reply(delivery, &[Answer::failed(Status::ok())]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        everything(&Delivery::new(bytes, "2026-11-21T09:30:00Z".parse().unwrap(), "1"));
    }

    #[test]
    fn fixtures_that_were_spoiled(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), cut in 0usize..40, put in "\\PC{0,6}|null|\"\"|\\[\\]|\\{\\}|-1|1e999999999") {
        let samples = samples::all();
        let mut delivery = samples[which.index(samples.len())].delivery.clone();
        let mut bytes = delivery.payload.to_vec();
        let at = at.index(bytes.len() + 1);
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put.bytes());
        delivery.payload = bytes.into();
        everything(&delivery);
    }
}
