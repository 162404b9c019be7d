//! What views and overlays allocate, counted: its own binary, since the counter is the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use libfaas::{DataView, Encoding, Event, EventView, Limits, ValueView};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = COUNT.get();
    let result = work();
    (COUNT.get() - before, result)
}

fn event() -> Event {
    let mut event = Event::builder("1", "/s", "t").data(vec![7u8; 100_000]);
    for n in 0..20 {
        event = event.attribute(format!("x{n}"), format!("value {n}"));
    }
    event.build().unwrap()
}

fn look(view: &EventView<'_>) -> usize {
    assert_eq!((view.id(), view.source(), view.ty()), ("1", "/s", "t"));
    assert_eq!(view.attribute("x19"), Some(ValueView::String("value 19")));
    assert_eq!(view.attribute("absent"), None);
    match view.data() {
        Some(DataView::Binary(bytes)) => bytes.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn views_allocate_nothing() {
    let (protobuf, capnp) = (
        event().encode(Encoding::Protobuf),
        event().encode(Encoding::Capnp),
    );
    let limits = Limits::default();
    assert_eq!(
        allocations(|| look(&EventView::protobuf(&protobuf).unwrap())),
        (0, 100_000)
    );
    assert_eq!(
        allocations(|| look(&EventView::capnp(&capnp, &limits).unwrap())),
        (0, 100_000)
    );
    // The counter counts.
    assert_ne!(allocations(|| vec![1]).0, 0);
}

#[test]
fn clones_of_events_are_free() {
    let event = event();
    assert_eq!(allocations(|| event.clone()).0, 0);
}

#[test]
fn decoded_data_is_not_copied() {
    for encoding in [Encoding::Protobuf, Encoding::Capnp] {
        let bytes = bytes::Bytes::from(event().encode(encoding));
        let event = Event::decode(bytes.clone(), encoding, &Limits::default()).unwrap();
        let data = event.data().unwrap().as_bytes();
        assert!(bytes.as_ptr_range().contains(&data.as_ptr()), "{encoding}");
    }
}
