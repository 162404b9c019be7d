//! One binary for all integration tests.

mod function;
#[cfg(feature = "host")]
mod host;
mod json;
mod manifest;
mod meaning;
mod properties;
mod rules;
#[cfg(feature = "cloudevents-sdk")]
mod sdk;
mod vectors;
mod views;
