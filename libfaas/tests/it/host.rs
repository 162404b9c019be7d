//! The host side.

mod sandbox;
#[cfg(feature = "tokio")]
mod tokio;
