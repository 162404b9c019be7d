//! One binary for all integration tests.

mod function;
mod json;
mod manifest;
mod meaning;
#[cfg(feature = "cloudevents-sdk")]
mod sdk;
mod vectors;
