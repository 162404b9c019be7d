//! Functions written against FSI, in `functions/`; pipelines of them, in `pipelines/`; and libraries of one file each, in `sdk/`.
//!
//! Nothing here is meant to be depended on. `tests/suite.rs` has `faas-conformance` judge every one of them.
