//! What a function answers to the hello of its input.

use super::Details;
use super::session::bounded;
use crate::{Code, Hello, Message, Status};

/// The version of the specification that this library serves.
const VERSION: &str = "1.0";

/// The function's own hello. `input` is the one that it has read, None if its input ended before
/// one; `init` is how its own initialisation ended.
pub(super) fn answer(
    input: Option<&Hello>,
    init: Result<Details, Status>,
    producer: &str,
) -> Hello {
    let status = match input {
        None => Status::new(Code::Unavailable, "the input ended before its hello"),
        Some(hello) if !hello.status.is_ok() => hello.status.clone(),
        Some(hello) if !is_served(&hello.fsi) => {
            let message = format!(
                "this function serves FSI {VERSION}, its input speaks {:?}",
                hello.fsi
            );
            Status::new(Code::FailedPrecondition, message)
        }
        Some(_) => match init {
            Ok(details) => Status {
                details,
                ..Status::ok()
            },
            Err(status) => status,
        },
    };
    let cut = (0..=256.min(producer.len()))
        .rev()
        .find(|&at| producer.is_char_boundary(at));
    Hello {
        fsi: VERSION.to_owned(),
        producer: producer[..cut.unwrap_or(0)].to_owned(),
        status: bounded(status),
    }
}

/// Every minor version of a major one can be served.
pub(super) fn is_served(version: &str) -> bool {
    let Some((major, minor)) = version.split_once('.') else {
        return false;
    };
    major == "1" && !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn message(hello: Hello) -> Message {
    Message {
        hello: Some(hello),
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(fsi: &str, status: Status, init: Result<Details, Status>) -> Code {
        answer(
            Some(&Hello {
                fsi: fsi.into(),
                producer: String::new(),
                status,
            }),
            init,
            "test",
        )
        .status
        .code
    }

    #[test]
    fn speaks_for_what_came_before() {
        let failed = || Err(Status::from(Code::NotFound));
        assert_eq!(code("1.0", Status::ok(), Ok(Details::new())), Code::Ok);
        assert_eq!(code("1.7", Status::ok(), Ok(Details::new())), Code::Ok);
        assert_eq!(code("1.0", Status::ok(), failed()), Code::NotFound);
        assert_eq!(
            code("2.0", Status::ok(), failed()),
            Code::FailedPrecondition
        );
        assert_eq!(
            code("", Status::ok(), Ok(Details::new())),
            Code::FailedPrecondition
        );
        assert_eq!(code("2.0", Code::Aborted.into(), failed()), Code::Aborted);
        assert_eq!(
            answer(None, failed(), "test").status.code,
            Code::Unavailable
        );
    }

    #[test]
    fn a_status_is_within_the_bounds_of_one() {
        let input = Hello {
            fsi: "1.0".into(),
            ..Hello::default()
        };
        let failed = Status::new(Code::Internal, "x".repeat(5000)).detail("n", "x".repeat(9000));
        let status = answer(Some(&input), Err(failed), "test").status;
        assert_eq!(status.code, Code::Internal);
        assert_eq!((status.message.len(), status.details.len()), (4096, 0));
    }

    #[test]
    fn a_producer_is_cut_between_characters() {
        let producer = answer(None, Ok(Details::new()), &"é".repeat(200)).producer;
        assert_eq!(producer, "é".repeat(128));
    }
}
