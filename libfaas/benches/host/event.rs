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

/// An event in JSON whose data is JSON: an order of as many lines as fill the size.
pub(crate) fn json_event(size: usize) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut length = 0;
    while length < size {
        let number = lines.len();
        let line = serde_json::json!({
            "sku": format!("article-{number}"),
            "quantity": number % 7 + 1,
            "price": 19.95 + number as f64,
            "gift": number % 2 == 0,
            "note": "leave it at the \"front\" door",
        });
        length += line.to_string().len() + 1;
        lines.push(line);
    }
    let event = serde_json::json!({
        "specversion": "1.0",
        "id": "0123456789abcdef",
        "source": "/shop/orders",
        "type": "com.example.order.placed",
        "subject": "orders/42",
        "time": "2026-11-21T06:00:00Z",
        "datacontenttype": "application/json",
        "data": {"lines": lines},
    });
    event.to_string().into_bytes()
}
