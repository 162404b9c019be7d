//! Requests that are answered without a call.

use http::StatusCode;
use libfaas::{Code, Status};

/// Why a request is answered without a call.
///
/// Its HTTP status is not always that of its code: HTTP has words of its own for what is wrong
/// with a request, and this is one for which no call was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub http: StatusCode,
    /// The code, and for the operator what was expected and what came.
    pub status: Status,
}

impl Refusal {
    /// A request that is wrong in itself: 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Status::new(Code::InvalidArgument, message).into()
    }

    /// A body in a format or an encoding that is not read here: 415.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Refusal {
            http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            status: Status::new(Code::InvalidArgument, message),
        }
    }

    /// A body above the function's limit (`http-too-large`): 413.
    pub fn too_large(limit: u64) -> Self {
        let message = format!("expected a body of at most {limit} bytes, got more");
        Refusal {
            http: StatusCode::PAYLOAD_TOO_LARGE,
            status: Status::new(Code::ResourceExhausted, message),
        }
    }

    /// A route that has only other methods: 405.
    pub fn method(message: impl Into<String>) -> Self {
        Refusal {
            http: StatusCode::METHOD_NOT_ALLOWED,
            status: Status::new(Code::Unimplemented, message),
        }
    }
}

impl From<Status> for Refusal {
    /// With the HTTP status of its code.
    fn from(status: Status) -> Self {
        let http = StatusCode::from_u16(status.code.http());
        Refusal {
            http: http.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            status,
        }
    }
}
