//! FSI's schemas as Rust types and as text.
//!
//! The schemas are the files in this crate's `proto/`, `capnp/` and `json/`; the Rust in `src/generated/` is made from
//! the first two by `tests/drift.rs` and committed, so that a build needs neither `protoc` nor `capnp`. Nothing here
//! validates: what a value must hold is said in `spec/` and checked by `libfaas`.
//!
//! | here | what |
//! |---|---|
//! | [`protobuf::fsi::v1`] | the message of stream mode, its context, status, cancel and hello |
//! | [`protobuf::io::cloudevents::v1`] | the event, wire-compatible with the CloudEvents project's schema |
//! | [`protobuf::google::protobuf`] | `Timestamp` and `Any`, the two well-known types that the event uses |
//! | [`fsi_capnp`] | event and message in Cap'n Proto |
//! | [`source`] | the text of every schema, JSON Schemas included |
//!
//! ```
//! use faas_schemas::protobuf::{fsi::v1::Message, io::cloudevents::v1::CloudEvent};
//! use prost::Message as _;
//!
//! let event = CloudEvent { id: "1".into(), source: "/s".into(), spec_version: "1.0".into(), r#type: "t".into(), ..Default::default() };
//! let message = Message { call: 1, event: Some(event), ..Default::default() };
//! assert_eq!(Message::decode(&message.encode_to_vec()[..]).unwrap(), message);
//! ```
#![deny(missing_docs)]

pub mod source;

/// Protobuf types: maps are `BTreeMap`, `bytes` fields are [`bytes::Bytes`].
pub use generated::protobuf;

/// Cap'n Proto types.
pub use generated::capnp::fsi_capnp;

// Written by prost-build and capnpc; their style is theirs.
#[allow(clippy::all, missing_docs, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
mod generated {
    pub mod protobuf;
    pub mod capnp {
        pub mod fsi_capnp;
    }
}
