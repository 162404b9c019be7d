//! Microsoft Azure.

pub(crate) mod blob;
pub(crate) mod cosmosdb;
pub(crate) mod eventgrid;
pub(crate) mod eventhub;
mod functions;
pub(crate) mod http;
pub(crate) mod queue;
pub(crate) mod servicebus;
pub(crate) mod timer;
