//! What the binary carries: the specification, the cases, the test vectors and the fixtures (see build.rs).

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
