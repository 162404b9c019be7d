//! The function side, run in this process over pipes.

mod binary;
mod calls;
mod peer;
mod pieces;
mod process;
mod shutdown;
mod start;
mod structured;
