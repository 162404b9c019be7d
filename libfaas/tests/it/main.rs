//! One binary for all integration tests.

mod json;
mod meaning;
mod vectors;
