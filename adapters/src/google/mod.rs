//! Google Cloud and Firebase.

pub(crate) mod functions;
pub(crate) mod pubsub;
mod types;
