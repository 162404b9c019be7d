//! What everybody reads and writes: one event, in each encoding, and what libfaas does with it.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use libfaas::{
    DataView, Encoding, Event, EventView, JsonText, Limits, Message, Overlay, Status, ValueView,
    encode_message,
};

/// An event with six attributes, and data that is bytes; in JSON it is a JSON value, so that all
/// have what is usual there.
pub(crate) fn event(encoding: Encoding, size: usize) -> Event {
    let event = base();
    let event = match encoding {
        Encoding::Json => event
            .datacontenttype("application/json")
            .data(JsonText::new(orders(size)).expect("JSON")),
        _ => event
            .datacontenttype("application/octet-stream")
            .data(vec![b'x'; size]),
    };
    event.build().expect("a valid event")
}

/// The same with bytes, which JSON carries in base64.
#[allow(
    dead_code,
    reason = "each program that includes this has its own selection"
)]
pub(crate) fn event_with_bytes(size: usize) -> Event {
    event(Encoding::Protobuf, size)
}

fn base() -> libfaas::EventBuilder {
    Event::builder(
        "0123456789abcdef",
        "/shop/orders",
        "com.example.order.placed",
    )
    .subject("orders/42")
    .time("2026-11-21T06:00:00Z")
}

/// A JSON array of so many bytes or a little less: members of all kinds, as documents have them.
fn orders(size: usize) -> String {
    let mut text = "[".to_owned();
    for number in 0.. {
        let start = text.len();
        let comma = if number == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"number":{number},"item":"apples, red","price":12.50,"paid":true,"note":null,"tags":["fruit","caf\u00e9"]}}"#
        )
        .expect("a String takes all text");
        if text.len() + 1 > size {
            text.truncate(start);
            break;
        }
    }
    text + "]"
}

/// An event document without a delimiter.
pub(crate) fn document(encoding: Encoding, size: usize) -> Bytes {
    event(encoding, size).encode(encoding).into()
}

/// A message with its delimiter: the event, and the end of the call.
pub(crate) fn message(encoding: Encoding, size: usize) -> Vec<u8> {
    let message = Message {
        call: 1000,
        event: Some(event(encoding, size)),
        end: Some(Status::ok()),
        ..Message::default()
    };
    let mut bytes = Vec::new();
    encode_message(&message, encoding, &mut bytes);
    bytes
}

/// The document's bytes are shared: that is how they come from a stream.
pub(crate) fn decode(document: &Bytes, encoding: Encoding) -> Event {
    Event::decode(document.clone(), encoding, &Limits::default()).expect("a valid event")
}

#[allow(
    dead_code,
    reason = "each program that includes this has its own selection"
)]
pub(crate) fn decode_encode(document: &Bytes, encoding: Encoding) -> Vec<u8> {
    decode(document, encoding).encode(encoding)
}

/// A message without its delimiter, as a stream's decoder has cut it out.
#[allow(
    dead_code,
    reason = "each program that includes this has its own selection"
)]
pub(crate) fn undelimited(message: &[u8], encoding: Encoding) -> Bytes {
    let range = match encoding {
        Encoding::Json => 0..message.len() - 1,
        Encoding::Protobuf => {
            let length = message.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
            length..message.len()
        }
        Encoding::Capnp => 0..message.len(),
    };
    Bytes::copy_from_slice(&message[range])
}

#[allow(
    dead_code,
    reason = "each program that includes this has its own selection"
)]
pub(crate) fn decode_message(bytes: &Bytes, encoding: Encoding) -> Message {
    let received = Message::decode(bytes.clone(), encoding, &Limits::default());
    received.expect("a message").message
}

#[allow(
    dead_code,
    reason = "each program that includes this has its own selection"
)]
pub(crate) fn encode(message: &Message, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_message(message, encoding, &mut bytes);
    bytes
}

/// What a router looks at: id, type, one attribute, data.
pub(crate) type Seen = (usize, usize, usize, usize);

pub(crate) fn view(document: &[u8], encoding: Encoding) -> Seen {
    let view = match encoding {
        Encoding::Protobuf => EventView::protobuf(document),
        Encoding::Capnp => EventView::capnp(document, &Limits::default()),
        Encoding::Json => unreachable!("JSON has no views"),
    };
    let view = view.expect("a valid event");
    let Some(ValueView::String(subject)) = view.attribute("subject") else {
        panic!("no subject");
    };
    let Some(DataView::Binary(data)) = view.data() else {
        panic!("no data");
    };
    (view.id().len(), view.ty().len(), subject.len(), data.len())
}

/// One attribute laid over the event of a message: what is to be written.
pub(crate) fn overlay(message: &[u8], hop: i32) -> usize {
    let overlay = Overlay::new()
        .attribute("hop", hop)
        .expect("a valid attribute");
    let slices: [Cow<'_, [u8]>; 4] = overlay.on_message(message).expect("a message");
    slices.iter().map(|slice| slice.len()).sum()
}
