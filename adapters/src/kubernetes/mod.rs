//! Kubernetes.

pub(crate) mod watch;
