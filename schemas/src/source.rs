//! The text of every schema, for programs that compile, show or validate with it.

/// `fsi.v1`: the message of stream mode in Protobuf. It imports [`CLOUDEVENTS_PROTO`].
pub const FSI_PROTO: &str = include_str!("../proto/fsi/v1/fsi.proto");

/// `io.cloudevents.v1`: the event in Protobuf.
pub const CLOUDEVENTS_PROTO: &str = include_str!("../proto/io/cloudevents/v1/cloudevents.proto");

/// Event and message in Cap'n Proto.
pub const FSI_CAPNP: &str = include_str!("../capnp/fsi.capnp");

/// The JSON Schema (2020-12) of an event in the JSON format, `urn:fsi:1.0:event`.
pub const EVENT_JSON: &str = include_str!("../json/event.json");

/// The JSON Schema of a message in JSON, `urn:fsi:1.0:message`. It refers to [`EVENT_JSON`].
pub const MESSAGE_JSON: &str = include_str!("../json/message.json");

/// The JSON Schema of a manifest, `urn:fsi:1.0:manifest`.
pub const MANIFEST_JSON: &str = include_str!("../json/manifest.json");

/// The JSON Schema of the suite's report, `urn:fsi:1.0:report`.
pub const REPORT_JSON: &str = include_str!("../json/report.json");
