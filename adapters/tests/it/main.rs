//! What holds for every adapter whatever comes, and the program around them.

#[path = "../fixtures/case.rs"]
#[allow(dead_code)]
mod case;
mod detection;
mod lambda;
mod panics;
mod program;
mod properties;
mod samples;
mod shuffle;
