//! The function side, run in this process over pipes.

mod binary;
mod calls;
#[cfg(feature = "async")]
mod future;
mod peer;
mod pieces;
mod pipeline;
mod process;
mod shutdown;
mod start;
mod structured;
