//! Limits on what a peer may make this side hold.

/// Limits that decoders apply to bytes from a peer, with the specification's defaults.
///
/// A declared length is compared with its limit before anything is allocated for it.
///
/// ```
/// let limits = libfaas::Limits { max_message_bytes: 64 * 1024, ..Default::default() };
/// assert_eq!(limits.json_depth, 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encoded size of one message or event document, in bytes, without its framing. Default 16 MiB.
    pub max_message_bytes: usize,
    /// Levels of arrays and objects in one JSON document. Default 128.
    pub json_depth: usize,
    /// Segments of one Cap'n Proto message. Default 512.
    pub capnp_segments: usize,
    /// How many times a Cap'n Proto message's own bytes a reader may traverse, or 64 KiB if that is
    /// more. Default 8: pointers may share what they point to, so the bound is on the work.
    pub capnp_traversal_factor: usize,
    /// How deep pointers of a Cap'n Proto message may nest. Default 64.
    pub capnp_depth: i32,
    /// UTF-8 bytes of a hello's `producer`. Default 256.
    pub max_producer_bytes: usize,
    /// UTF-8 bytes of a status's `message`. Default 4 KiB.
    pub max_status_message_bytes: usize,
    /// UTF-8 bytes of all keys and values of a status's `details`. Default 8 KiB.
    pub max_status_details_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_message_bytes: 16 << 20,
            json_depth: 128,
            capnp_segments: 512,
            capnp_traversal_factor: 8,
            capnp_depth: 64,
            max_producer_bytes: 256,
            max_status_message_bytes: 4 << 10,
            max_status_details_bytes: 8 << 10,
        }
    }
}
