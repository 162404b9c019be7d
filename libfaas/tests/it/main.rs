//! One binary for all integration tests.

mod function;
mod json;
mod meaning;
mod vectors;
