//! The text of every schema, for programs that compile, show or validate with it.

/// `fsi.v1`: the message of stream mode in Protobuf. It imports [`CLOUDEVENTS_PROTO`].
pub const FSI_PROTO: &str = include_str!("../proto/fsi/v1/fsi.proto");

/// `io.cloudevents.v1`: the event in Protobuf.
pub const CLOUDEVENTS_PROTO: &str = include_str!("../proto/io/cloudevents/v1/cloudevents.proto");

/// Event and message in Cap'n Proto.
pub const FSI_CAPNP: &str = include_str!("../capnp/fsi.capnp");
