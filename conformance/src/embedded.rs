//! What the binary carries: the specification, the cases and the test vectors (see build.rs).

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
