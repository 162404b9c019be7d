//! The host side: starts functions from their manifests, calls them, and ends them.
//!
//! A [`Revision`] is a manifest that this host has accepted, with everything decided that the
//! manifest leaves open. What goes into a call and what comes out of it are [`Part`]s, the same in
//! both directions and in every mode. [`Settings`] has the times and the ceilings.
//!
//! A [`Session`] is one instance in stream mode, without I/O and without a clock: whoever has the
//! descriptors, the process and the time drives it. A [`OneShot`] is one invocation in the other
//! modes, likewise. A [`Log`] makes records of stderr.

mod assembly;
pub mod blocking;
mod death;
mod log;
mod numbered;
mod oneshot;
mod part;
#[cfg(feature = "tokio")]
mod pool;
mod relay;
mod revision;
mod sandbox;
pub mod session;
mod settings;
mod start;
#[cfg(feature = "tokio")]
mod tokio;

pub use assembly::Assembly;
pub use blocking::Blocking;
pub use death::{Death, Exit, Limit};
pub use log::{Log, Record, Structured, escape};
pub use oneshot::OneShot;
pub use part::Part;
#[cfg(feature = "tokio")]
pub use pool::{Scale, State};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use relay::relayed;
pub use revision::{Bounds, Revision};
pub use sandbox::{Means, Missing, Process, Sandbox, SandboxError, StartError};
#[doc(hidden)]
pub use sandbox::{Measure, Measures};
pub use session::{Notice, Session};
pub use settings::{Ceilings, Level, Settings, Times};
pub use start::{Instance, start};
#[cfg(feature = "tokio")]
pub use tokio::{
    Call, CallIdentity, CallInput, CallOutput, Counters, Deployed, FunctionState, Host,
    HostOptions, LogLine, LogSink, Retry,
};
