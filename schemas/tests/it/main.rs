//! The schemas and vectors hold together; what is generated from them is checked in `drift.rs`.

mod json_schemas;
mod spec_examples;
mod vectors;
mod vectors_and_schemas;
