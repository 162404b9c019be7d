//! Endpoints that treat requests and responses wrongly.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[];
