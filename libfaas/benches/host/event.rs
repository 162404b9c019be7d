//! The event that everybody gets.

use libfaas::{Context, Encoding, Event, Message, Status, encode_message};

/// Six attributes besides the data.
pub(crate) fn event(size: usize) -> Event {
    Event::builder(
        "0123456789abcdef",
        "/shop/orders",
        "com.example.order.placed",
    )
    .subject("orders/42")
    .time("2026-11-21T06:00:00Z")
    .datacontenttype("application/octet-stream")
    .data(vec![b'x'; size])
    .build()
    .expect("a valid event")
}

/// What a call of it writes in Protobuf, with a context as the host completes it.
pub(crate) fn call_bytes(size: usize) -> Vec<u8> {
    let message = Message {
        call: 1000,
        context: Some(Context {
            attempt: 1,
            deadline_ms: Some(1_795_000_000_000),
            ..Context::default()
        }),
        event: Some(event(size)),
        end: Some(Status::ok()),
        ..Message::default()
    };
    let mut bytes = Vec::new();
    encode_message(&message, Encoding::Protobuf, &mut bytes);
    bytes
}

pub(crate) fn bytes_name(size: usize) -> String {
    match size {
        size if size >= 1 << 20 => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}
