//! Views over encoded events.

use libfaas::{
    AttributeValue, Data, DataView, Encoding, Event, EventView, Limits, Overlay, ValueView,
};

pub(crate) fn same_value(view: ValueView<'_>, value: &AttributeValue) -> bool {
    match (view, value) {
        (ValueView::Boolean(a), AttributeValue::Boolean(b)) => a == *b,
        (ValueView::Integer(a), AttributeValue::Integer(b)) => a == *b,
        (ValueView::String(a), AttributeValue::String(b)) => b == a,
        (ValueView::Binary(a), AttributeValue::Binary(b)) => a == &b[..],
        (ValueView::Uri(a), AttributeValue::Uri(b)) => b == a,
        (ValueView::UriRef(a), AttributeValue::UriRef(b)) => b == a,
        (ValueView::Timestamp { seconds, nanos }, AttributeValue::Timestamp(time)) => {
            (seconds, nanos) == (time.seconds(), time.nanos() as i32)
        }
        _ => false,
    }
}

pub(crate) fn same_data(view: Option<DataView<'_>>, data: Option<&Data>) -> bool {
    match (view, data) {
        (None, None) => true,
        (Some(DataView::Binary(a)), Some(Data::Binary(b))) => a == &b[..],
        (Some(DataView::Text(a)), Some(Data::Text(b))) => b == a,
        (Some(DataView::Text(a)), Some(Data::Json(b))) => a == b.as_str(),
        (
            Some(DataView::Proto { type_url, value }),
            Some(Data::Proto {
                type_url: url,
                value: bytes,
            }),
        ) => type_url == url && value == &bytes[..],
        _ => false,
    }
}

#[test]
fn a_view_of_what_is_laid_over() {
    let event = Event::builder("1", "/s", "t")
        .attribute("hop", 1)
        .data(&b"x"[..])
        .build()
        .unwrap();
    let overlay = Overlay::new()
        .attribute("hop", 2)
        .unwrap()
        .attribute("by", "me")
        .unwrap();
    let bytes = [&event.encode(Encoding::Protobuf), overlay.attributes()].concat();
    let view = EventView::protobuf(&bytes).unwrap();
    assert_eq!(view.attribute("hop"), Some(ValueView::Integer(2)));
    assert_eq!(view.attribute("by"), Some(ValueView::String("me")));
    assert_eq!(view.data(), Some(DataView::Binary(b"x")));
    assert_eq!(
        Overlay::new().attribute("id", "2").unwrap_err().rule(),
        "event-attribute-name"
    );
}

#[test]
fn an_overlay_is_for_one_whole_message() {
    let overlay = Overlay::new().attribute("a", 1).unwrap();
    for (bytes, rule) in [
        (&b""[..], "protobuf-length"),
        (b"\x05\x08\x01", "encoding-malformed"),
        (b"\x02\x08\x01\x00", "encoding-malformed"),
        (b"\x02\x1a\x05", "encoding-malformed"),
    ] {
        assert_eq!(
            overlay.on_message(bytes).unwrap_err().rule(),
            rule,
            "{bytes:?}"
        );
    }
    assert_eq!(
        overlay.on_message(b"\x02\x08\x01").unwrap().concat(),
        b"\x02\x08\x01"
    );
}

#[test]
fn a_view_refuses_what_has_no_id() {
    for fault in [
        EventView::protobuf(b"").err().unwrap(),
        EventView::capnp(
            &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &Limits::default(),
        )
        .err()
        .unwrap(),
    ] {
        assert_eq!(
            (fault.rule(), fault.is_invalid_event()),
            ("event-required-attribute", true)
        );
    }
}
