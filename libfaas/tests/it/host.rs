//! The host side.

mod sandbox;
