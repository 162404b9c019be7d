//! How a call, an initialisation or a process ended.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::Limits;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal http $http:literal),+ $(,)?) => {
        /// gRPC's status codes, by name and number.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Code { $($(#[$doc])* $variant = $number),+ }

        impl Code {
            /// All codes, by ascending number.
            pub const ALL: [Code; 17] = [$(Code::$variant),+];

            /// gRPC's name of the code, like `NOT_FOUND`.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// The HTTP status that gRPC's mapping (google.rpc.Code) gives.
            pub const fn http(self) -> u16 {
                match self { $(Code::$variant => $http),+ }
            }
        }
    };
}

codes! {
    /// It worked.
    #[default]
    Ok = 0 "OK" http 200,
    /// The caller gave the call up.
    Cancelled = 1 "CANCELLED" http 499,
    /// A failure that says no more of itself; also every number and name that gRPC does not have.
    Unknown = 2 "UNKNOWN" http 500,
    /// The input is wrong, whatever the state of the system.
    InvalidArgument = 3 "INVALID_ARGUMENT" http 400,
    /// The deadline passed.
    DeadlineExceeded = 4 "DEADLINE_EXCEEDED" http 504,
    /// What was asked for is not there.
    NotFound = 5 "NOT_FOUND" http 404,
    /// What was to be made is there already.
    AlreadyExists = 6 "ALREADY_EXISTS" http 409,
    /// The caller may not do this.
    PermissionDenied = 7 "PERMISSION_DENIED" http 403,
    /// A limit or a quota is used up.
    ResourceExhausted = 8 "RESOURCE_EXHAUSTED" http 429,
    /// The system is not in the state that this needs.
    FailedPrecondition = 9 "FAILED_PRECONDITION" http 400,
    /// Given up in favour of something else; may be retried.
    Aborted = 10 "ABORTED" http 409,
    /// Past the end of what there is.
    OutOfRange = 11 "OUT_OF_RANGE" http 400,
    /// Not done here.
    Unimplemented = 12 "UNIMPLEMENTED" http 501,
    /// A defect.
    Internal = 13 "INTERNAL" http 500,
    /// Not there just now; may be retried.
    Unavailable = 14 "UNAVAILABLE" http 503,
    /// Data was lost for good.
    DataLoss = 15 "DATA_LOSS" http 500,
    /// Who asks is not known.
    Unauthenticated = 16 "UNAUTHENTICATED" http 401,
}

impl Code {
    /// gRPC's number of the code.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code of a number; [`Code::Unknown`] for one that gRPC does not have.
    pub fn from_number(number: u32) -> Code {
        Code::ALL
            .get(number as usize)
            .copied()
            .unwrap_or(Code::Unknown)
    }

    /// The code of a name like `NOT_FOUND`; [`Code::Unknown`] for one that gRPC does not have.
    pub fn from_name(name: &str) -> Code {
        Code::ALL
            .into_iter()
            .find(|code| code.name() == name)
            .unwrap_or(Code::Unknown)
    }

    /// What a process's exit status says, after sysexits(3). 129 to 192, as a shell reports
    /// death by a signal, is INTERNAL; so is death by a signal itself, which has no exit status.
    pub fn from_exit(status: i32) -> Code {
        match status {
            0 => Code::Ok,
            64 | 65 => Code::InvalidArgument,
            69 | 75 => Code::Unavailable,
            70 => Code::Internal,
            77 => Code::PermissionDenied,
            78 | 126 | 127 => Code::FailedPrecondition,
            129..=192 => Code::Internal,
            _ => Code::Unknown,
        }
    }

    /// The exit status of a function that fails with this code in binary or structured mode, or
    /// before its hello; 1 for codes that have none of their own.
    pub const fn exit(self) -> u8 {
        match self {
            Code::Ok => 0,
            Code::InvalidArgument => 65,
            Code::Unavailable => 69,
            Code::Internal => 70,
            Code::PermissionDenied => 77,
            Code::FailedPrecondition => 78,
            _ => 1,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How something ended: a code, a message for the operator, and details for programs.
///
/// ```
/// use libfaas::{Code, Status};
///
/// let status = Status::new(Code::NotFound, "no such order").detail("order", "42");
/// assert_eq!(status.to_string(), "NOT_FOUND: no such order");
/// assert!(!status.is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What kind of end this is.
    pub code: Code,
    /// For the operator; may be empty. At most 4 KiB of UTF-8.
    pub message: String,
    /// For programs; names are of `a`-`z`, `0`-`9` and `-`. At most 8 KiB of UTF-8 in all.
    pub details: BTreeMap<String, String>,
}

impl Status {
    /// Success.
    pub fn ok() -> Self {
        Status::default()
    }

    /// A status with a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status {
            code,
            message: message.into(),
            details: BTreeMap::new(),
        }
    }

    /// Adds a detail.
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }

    /// Cuts what a receiver need not keep: the end of the message, and the details beyond the limit
    /// in the order of their names.
    pub(crate) fn cut_to(&mut self, limits: &Limits) {
        self.message.truncate(
            self.message
                .floor_char_boundary(limits.max_status_message_bytes),
        );
        let mut left = limits.max_status_details_bytes;
        self.details.retain(|name, value| {
            let fits = name.len() + value.len() <= left;
            left -= if fits { name.len() + value.len() } else { 0 };
            fits
        });
    }

    /// Whether the code is OK.
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }

    /// Whether another attempt may be made: UNAVAILABLE, ABORTED and DEADLINE_EXCEEDED, and
    /// RESOURCE_EXHAUSTED that says after what time.
    pub fn retryable(&self) -> bool {
        match self.code {
            Code::Unavailable | Code::Aborted | Code::DeadlineExceeded => true,
            Code::ResourceExhausted => self.retry_after().is_some(),
            _ => false,
        }
    }

    /// How long to wait before another attempt: the detail `retry-after-ms`, a decimal number.
    pub fn retry_after(&self) -> Option<Duration> {
        let millis = self.details.get("retry-after-ms")?;
        let decimal = millis.bytes().all(|b| b.is_ascii_digit());
        decimal
            .then(|| millis.parse().ok().map(Duration::from_millis))
            .flatten()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => self.code.fmt(f),
            message => write!(f, "{}: {message}", self.code),
        }
    }
}

impl std::error::Error for Status {}

impl From<Code> for Status {
    fn from(code: Code) -> Self {
        Status::new(code, "")
    }
}
