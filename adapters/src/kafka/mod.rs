//! Apache Kafka.

pub(crate) mod record;
