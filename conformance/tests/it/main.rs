//! The suite's own tests: one binary, one module per subject.

mod faults;
mod tidy;
