//! Many calls at once, on tokio: instances as tasks, a pool for each revision, retries, revisions.
//!
//! [`Host`] is the entry. A [`Call`] is an [`invocation::Invocation`] as its caller sees it; a
//! [`function::Function`] gives invocations to instances as its pool says; an instance is a task
//! that owns a session or a one-shot run, its pipes and its processes.

mod call;
mod descriptor;
mod function;
mod handle;
mod instance;
mod invocation;
mod log;
mod options;
mod port;
mod starter;

pub use call::{Call, CallInput, CallOutput};
pub use function::Counters;
pub use handle::{Deployed, FunctionState, Host};
pub use log::{CallIdentity, LogLine, LogSink};
pub use options::{HostOptions, Retry};
