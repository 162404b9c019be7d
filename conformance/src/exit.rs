//! Exit statuses of `faas-conformance`.

/// The subject conforms to every profile that was judged.
pub const CONFORMING: u8 = 0;
/// At least one rule is broken, or a case that is listed as failing passes.
pub const NOT_CONFORMING: u8 = 1;
/// The suite could not judge: the subject can't be started, the suite was interrupted, or the suite
/// itself failed.
pub const NOT_JUDGED: u8 = 2;
/// The command line or a file that it names is wrong; nothing was started. As in sysexits(3).
pub const USAGE: u8 = 64;
