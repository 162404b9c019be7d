//! OpenFaaS.

pub(crate) mod postgres;
