//! The source of a delivery is found where only one is possible.

use faas_adapters::{Delivery, Headers, Kind, candidates, detect};

use crate::samples;

fn delivery(payload: &str) -> Delivery {
    Delivery::new(
        payload.to_owned(),
        "2026-11-21T09:30:00Z".parse().unwrap(),
        "1",
    )
}

#[test]
fn no_fixture_is_taken_for_another_source() {
    for sample in samples::all().iter().filter(|sample| sample.mapped) {
        if sample.adapter.about().detected_by.is_none() {
            continue;
        }
        let names: Vec<_> = candidates(&sample.delivery)
            .iter()
            .map(|one| one.about().name)
            .collect();
        assert_eq!(names, [sample.adapter.about().name], "{}", sample.name);
    }
}

#[test]
fn an_ambiguous_delivery_names_its_candidates() {
    let mut both = delivery(r#"{"Records":[{"eventSource":"aws:s3"}]}"#);
    both.headers = Headers::from_iter([("X-Amz-SNS-Message-Type", "Notification")]);
    let error = detect(&both).err().unwrap();
    assert_eq!(error.kind(), Kind::Unrecognized);
    assert_eq!(
        error.to_string(),
        "unrecognized: expected a delivery of one source, found what could be any of aws.s3, aws.sns"
    );
}

#[test]
fn an_unknown_delivery_is_no_guess() {
    for payload in ["{}", "[]", "", "null", "hello", r#"{"Records":[]}"#] {
        let error = detect(&delivery(payload)).err().unwrap();
        assert_eq!(error.kind(), Kind::Unrecognized, "{payload}");
    }
}
