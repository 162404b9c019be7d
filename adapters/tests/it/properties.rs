//! Extra members, their order, nulls, huge numbers and a byte order mark change no mapping and lose
//! no data (rules `adapter-extra-member`, `adapter-bom`, `adapter-data-verbatim`, `adapter-data-numbers`).

use faas_adapters::{Delivery, Outcome};
use libfaas::{Data, Event, JsonText};
use proptest::prelude::*;

use crate::samples::{self, Sample};
use crate::shuffle::{Dice, shuffled, without_extras};

fn mapped() -> Vec<(&'static Sample, Outcome)> {
    let samples = samples::all().iter().filter(|sample| sample.mapped);
    samples
        .map(|sample| {
            let outcome = sample.adapter.events(&sample.delivery);
            let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
            (sample, outcome)
        })
        .collect()
}

/// The same event, its data without the members that were added.
fn plain(event: &Event) -> (Event, Option<Data>) {
    let data = event.data().map(|data| match data {
        Data::Json(json) => Data::Json(JsonText::new(without_extras(json.as_str())).unwrap()),
        other => other.clone(),
    });
    (event.to_builder().without_data().build().unwrap(), data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn other_spellings_are_the_same_events(rolls in proptest::collection::vec(any::<u8>(), 0..4096)) {
        for (sample, outcome) in mapped() {
            let name = sample.adapter.about().name;
            let Ok(json) = sample.delivery.json() else { continue };
            let mut dice = Dice(rolls.iter());
            let payload = shuffled(name, "", json.root(), &mut dice);
            let bom = if rolls.len() % 2 == 1 { "\u{FEFF}" } else { "" };
            let delivery = Delivery {
                payload: format!("{bom}{payload}").into(),
                ..sample.delivery.clone()
            };
            let other = sample.adapter.events(&delivery);
            let other = other.unwrap_or_else(|error| panic!("{}: {error}\n{payload}", sample.name));
            prop_assert_eq!(other.events.len(), outcome.events.len(), "{}", &sample.name);
            for (other, event) in other.events.iter().zip(&outcome.events) {
                prop_assert_eq!(plain(other), plain(event), "{}", &sample.name);
                // All that was added is in the data, to the character.
                if let (Some(Data::Json(data)), false) = (other.data(), sample.made) {
                    prop_assert!(payload.contains(data.as_str()), "{}", &sample.name);
                }
            }
            prop_assert_eq!(other.notice, outcome.notice, "{}", &sample.name);
            let recognized = sample.adapter.recognizes(&delivery, Some(delivery.json().unwrap().root()));
            prop_assert_eq!(recognized, sample.adapter.about().detected_by.is_some(), "{}", &sample.name);
        }
    }
}

#[test]
fn the_same_delivery_makes_the_same_events() {
    for (sample, outcome) in mapped() {
        assert_eq!(sample.adapter.events(&sample.delivery), Ok(outcome));
    }
}

#[test]
fn events_survive_every_encoding() {
    for (sample, outcome) in mapped() {
        for event in outcome.events {
            for encoding in libfaas::Encoding::ALL {
                let bytes = event.encode(*encoding);
                let back = Event::decode(bytes, *encoding, &libfaas::Limits::default());
                assert_eq!(back.as_ref(), Ok(&event), "{} in {encoding}", sample.name);
            }
        }
    }
}
