//! The host side.

mod blocking;
mod sandbox;
#[cfg(feature = "tokio")]
mod tokio;
