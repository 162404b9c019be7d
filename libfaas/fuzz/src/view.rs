//! An encoded event, in place.

use libfaas::{DataView, Encoding, Event, EventView, Limits, Overlay, ValueView};

use crate::limits;

/// The first byte chooses the encoding: a view and an overlay of the others agree with the decoder wherever that reads them.
pub fn view(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let encoding = if choice % 2 == 0 {
        Encoding::Protobuf
    } else {
        Encoding::Capnp
    };
    let decoded = Event::decode(bytes.to_vec(), encoding, &limits());
    let view = match encoding {
        Encoding::Protobuf => EventView::protobuf(bytes),
        Encoding::Capnp => EventView::capnp(bytes, &limits()),
        Encoding::Json => return,
    };
    let Ok(event) = decoded else { return };
    let view = view.expect("what can be decoded can be viewed");
    assert_eq!(
        (view.id(), view.source(), view.ty()),
        (event.id(), event.source(), event.ty())
    );
    assert_eq!(view.data().is_some(), event.data().is_some());
    if let Some(DataView::Binary(data)) = view.data() {
        assert_eq!(Some(data), event.data().map(|data| data.as_bytes()));
    }
    for (name, value) in event.attributes() {
        let seen = view
            .attribute(name)
            .expect("an attribute that the decoder reads");
        if let Some(text) = value.as_str()
            && let ValueView::String(seen) | ValueView::Uri(seen) | ValueView::UriRef(seen) = seen
        {
            assert_eq!(seen, text);
        }
    }
    if encoding == Encoding::Protobuf {
        let mut overlaid = bytes.to_vec();
        overlaid.extend(
            Overlay::new()
                .attribute("hop", 7)
                .expect("valid")
                .attributes(),
        );
        let overlaid =
            Event::decode(overlaid, encoding, &Limits::default()).expect("still an event");
        assert_eq!(
            overlaid,
            event
                .to_builder()
                .attribute("hop", 7)
                .build()
                .expect("valid")
        );
    }
}
