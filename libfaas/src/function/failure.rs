//! What `?` in a handler makes of other errors.

use std::error::Error;
use std::io;

use crate::{Code, InvalidEvent, InvalidJson, Status};

impl From<InvalidEvent> for Status {
    /// A handler that could not build its result: INTERNAL.
    fn from(error: InvalidEvent) -> Self {
        Status::new(
            Code::Internal,
            format!("the handler's event is invalid: {error}"),
        )
    }
}

impl From<InvalidJson> for Status {
    /// Text that is no JSON: INVALID_ARGUMENT.
    fn from(error: InvalidJson) -> Self {
        Status::new(Code::InvalidArgument, error.to_string())
    }
}

impl From<serde_json::Error> for Status {
    /// Data that is not what the handler takes: INVALID_ARGUMENT.
    fn from(error: serde_json::Error) -> Self {
        Status::new(Code::InvalidArgument, error.to_string())
    }
}

impl From<io::Error> for Status {
    /// A status that went through a [`Write`](io::Write) comes out again; others are UNKNOWN.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Status>() {
            Ok(status) => status,
            Err(error) => Status::new(Code::Unknown, error.to_string()),
        }
    }
}

impl From<Box<dyn Error + Send + Sync>> for Status {
    /// A status in the box comes out again; others are UNKNOWN.
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<Status>() {
            Ok(status) => *status,
            Err(error) => Status::new(Code::Unknown, error.to_string()),
        }
    }
}
