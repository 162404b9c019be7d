//! The host side: starts functions from their manifests, calls them, and ends them.
//!
//! A [`Revision`] is a manifest that this host has accepted, with everything decided that the
//! manifest leaves open. What goes into a call and what comes out of it are [`Part`]s, the same in
//! both directions and in every mode. [`Settings`] has the times and the ceilings.

mod part;
mod revision;
mod settings;

pub use part::Part;
pub use revision::{Bounds, Revision};
pub use settings::{Ceilings, Level, Settings, Times};
