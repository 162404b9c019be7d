//! What calls carry.

use libfaas::Event;

/// Bytes of data of the events that are made.
pub(super) const SIZES: [usize; 4] = [64, 1 << 10, 64 << 10, 1 << 20];
/// The one of them for whatever is measured with one size.
pub(super) const USUAL: usize = 1 << 10;

/// An event with so many bytes of text: the same in every encoding and mode.
pub(super) fn of_size(size: usize) -> Event {
    Event::builder("0123456789abcdef", "/suite/bench", "fsi.probe.echo")
        .subject("orders/42")
        .time("2026-11-21T06:00:00Z")
        .datacontenttype("text/plain")
        .data("x".repeat(size))
        .build()
        .expect("valid by construction")
}

/// A size for people.
pub(super) fn bytes_name(size: usize) -> String {
    let tenths = |unit: usize, name| match (size / unit, size % unit) {
        (whole, 0) => format!("{whole} {name}"),
        _ => format!("{:.1} {name}", size as f64 / unit as f64),
    };
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => tenths(1 << 10, "KiB"),
        _ => tenths(1 << 20, "MiB"),
    }
}
