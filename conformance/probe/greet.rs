//! Stream mode: the hello, which says how the input began and how initialisation ended.

use std::process::exit;
use std::sync::Arc;

use libfaas::{Code, Hello, Message, Status};

use crate::fault::fault;
use crate::setup::Setup;
use crate::work::Work;

pub(crate) fn hello(status: Status) -> Message {
    let producer = if fault!("hello-producer-long") {
        "faas-probe ".repeat(30)
    } else {
        "faas-probe".to_owned()
    };
    Message {
        hello: Some(Hello {
            fsi: "1.0".to_owned(),
            producer,
            status,
        }),
        ..Message::default()
    }
}

/// Answers the hello of the input, and exits unless all is well on both sides. There is no hello
/// where a fault goes on without one.
pub(crate) fn greet(work: &Arc<Work>, setup: &Setup, theirs: Option<&Hello>) {
    let mut status = match theirs {
        Some(hello) if !hello.status.is_ok() && !fault!("hello-status-ignored") => {
            hello.status.clone()
        }
        Some(hello) if !served(&hello.fsi) => Status::new(
            Code::FailedPrecondition,
            format!("this function speaks FSI 1.0, its input {:?}", hello.fsi),
        ),
        _ if setup.init != Code::Ok => {
            Status::new(setup.init, "PROBE_INIT says that initialisation fails")
        }
        _ => Status::ok(),
    };
    let failed_here =
        theirs.is_none_or(|hello| hello.status.is_ok() && served(&hello.fsi)) && !status.is_ok();
    if failed_here && fault!("init-failed-silent") {
        exit(i32::from(status.code.exit()));
    }
    if failed_here && fault!("init-failed-ready") {
        status = Status::ok();
    }
    if theirs.is_some_and(|hello| !hello.status.is_ok()) && fault!("hello-status-altered") {
        status.code = Code::Unknown;
    }
    let mut state = work.state();
    let mut message = hello(status.clone());
    if fault!("hello-on-call") {
        message.call = 1;
    }
    if fault!("hello-with-end") {
        message.end = Some(Status::ok());
    }
    if fault!("hello-late") && status.is_ok() {
        state.late_hello = Some(message);
    } else if !fault!("hello-missing") && !fault!("hello-before-input") {
        state.output.message(&message);
        if fault!("hello-twice") {
            state.output.message(&message);
        }
    }
    if !status.is_ok() && !fault!("hello-status-stays") {
        exit(i32::from(status.code.exit()));
    }
    state.output.holding = fault!("answer-at-eof") || fault!("answer-at-next");
}

fn served(version: &str) -> bool {
    if fault!("hello-minor-refused") {
        return version == "1.0";
    }
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let major_one = version
        .split_once('.')
        .is_some_and(|(major, minor)| major == "1" && number(minor));
    major_one || fault!("hello-version-ignored")
}

pub(crate) fn input_ended_before_hello(work: &Arc<Work>) -> ! {
    let status = Status::new(Code::Unavailable, "the input ended before its hello");
    if !fault!("hello-eof-silent") && !fault!("hello-before-input") {
        work.state().output.message(&hello(status.clone()));
    }
    exit(i32::from(status.code.exit()))
}
