//! Vendor events into CloudEvents, and answers into what the vendor expects.
//!
//! An [`Adapter`] is a pure mapping: a [`Delivery`] in, an [`Outcome`] out; the delivery and an
//! [`Answer`] for each event in, a [`Response`] out. It reads no clock, no environment and no
//! network. The mappings are the tables of `spec/adapters.md`; [`ADAPTERS`] lists them.
//!
//! ```
//! use faas_adapters::{Delivery, find};
//!
//! let payload = r#"{"Records":[{"eventSource":"aws:s3","awsRegion":"us-east-1",
//!     "eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put",
//!     "responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURI"},
//!     "s3":{"bucket":{"name":"photos"},"object":{"key":"red%20flower.jpg"}}}]}"#;
//! let now = "2026-11-21T09:30:00Z".parse()?;
//! let outcome = find("aws.s3").unwrap().events(&Delivery::new(payload, now, "unused"))?;
//! assert_eq!(outcome.events[0].source(), "aws:s3.us-east-1.photos");
//! assert_eq!(outcome.events[0].subject(), Some("red%20flower.jpg"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

mod adapter;
mod answer;
mod aws;
mod azure;
mod cloudevents;
mod couchdb;
mod delivery;
mod draft;
mod error;
mod github;
mod gitlab;
mod google;
mod http;
pub mod json;
mod kafka;
mod kubernetes;
mod media;
mod openfaas;
mod openwhisk;
mod outcome;
mod passing;
mod percent;
mod registry;
pub mod time;
mod vmware;

pub use adapter::{About, Adapter, Origin};
pub use answer::Answer;
pub use delivery::{Delivery, Headers, Transport};
pub use error::{Document, Error, Kind};
pub use outcome::{Notice, NoticeKind, Outcome, Response};
pub use registry::{ADAPTERS, candidates, detect, find};
