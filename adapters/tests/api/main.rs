//! The crate's public API, a line for each item: whoever changes it sees that it changes.

#[path = "../../../libfaas/tests/api/surface.rs"]
mod surface;

fn main() {
    surface::is_as_agreed("faas-adapters", env!("CARGO_MANIFEST_DIR"));
}
