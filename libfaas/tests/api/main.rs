//! The library's public API, a line for each item: whoever changes it sees that it changes.

mod surface;

fn main() {
    surface::is_as_agreed("libfaas", env!("CARGO_MANIFEST_DIR"));
}
