//! One binary for all integration tests.

mod function;
mod json;
mod manifest;
mod meaning;
mod vectors;
