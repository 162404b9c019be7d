//! EOF, closed streams.

use std::sync::{Mutex, mpsc};

use libfaas::function::{Exit, Function, Streams, each, many};
use libfaas::{Code, Event, Status};

use super::peer::{PATIENCE, Peer, decoded, event, hello, on_thread, one, pipe, unary, vars};

#[test]
fn eof_finishes_complete_calls_and_aborts_the_others() {
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    let mut peer = Peer::start(
        &[("FAAS_CONCURRENCY", "2")],
        each(move |event: Event| {
            if event.id() == "slow" {
                may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            }
            Ok(event)
        }),
    );
    peer.send(unary(1, event("slow")));
    peer.send(one(2, event("2")));
    assert_eq!(peer.receive(), one(2, event("2")));
    peer.close_input();
    assert_eq!(peer.receive_end(2).code, Code::Aborted);
    go.send(()).unwrap();
    assert_eq!(peer.receive(), unary(1, event("slow")));
    assert_eq!(peer.exit(), Exit::Done);
}

#[test]
fn eof_inside_a_message_drains_and_exits_65() {
    let mut peer = Peer::start(&[], each(Ok::<Event, Status>));
    peer.send(unary(1, event("1")));
    peer.send_bytes(b"{\"call\":2,\"event\":{\"specver");
    peer.close_input();
    assert_eq!(peer.receive(), unary(1, event("1")));
    assert_eq!(peer.exit().status(), 65);
}

#[test]
fn eof_frees_whoever_waits_for_a_cancel() {
    let mut peer = Peer::start(&[], many(|_, out| Err(out.wait_cancelled())));
    peer.send(unary(1, event("1")));
    peer.close_input();
    assert_eq!(peer.receive_end(1).code, Code::Cancelled);
    assert_eq!(peer.exit(), Exit::Done);
}

/// A function that has answered hello, its input, and how it ends.
fn greeted(
    handler: impl Fn(&mut libfaas::function::Call) -> Result<(), Status> + Send + Sync + 'static,
) -> (
    std::os::fd::OwnedFd,
    std::os::fd::OwnedFd,
    mpsc::Receiver<Exit>,
) {
    let ((their_input, input), (output, their_output)) = (pipe(), pipe());
    let streams = Streams {
        input: their_input,
        output: their_output,
    };
    let vars = vars(libfaas::Encoding::Json, &[]);
    let exit = on_thread(move || Function::new().run(vars, streams, handler));
    let mut bytes = Vec::new();
    libfaas::encode_message(
        &hello("1.0", Status::ok()),
        libfaas::Encoding::Json,
        &mut bytes,
    );
    rustix::io::write(&input, &bytes).unwrap();
    rustix::io::read(&output, &mut [0; 1024]).unwrap();
    (input, output, exit)
}

#[test]
fn a_closed_stdout_is_noticed_while_idle() {
    let (_input, output, exit) = greeted(each(Ok::<Event, Status>));
    drop(output);
    assert_eq!(exit.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
}

#[test]
fn a_closed_stdout_is_noticed_while_a_call_runs() {
    let (input, output, exit) = greeted(many(|_, out| Err(out.wait_cancelled())));
    let mut bytes = Vec::new();
    libfaas::encode_message(&unary(1, event("1")), libfaas::Encoding::Json, &mut bytes);
    rustix::io::write(&input, &bytes).unwrap();
    drop(output);
    assert_eq!(exit.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
}

#[test]
fn eof_before_anything_is_answered_by_hello_only() {
    let ((their_input, input), (output, their_output)) = (pipe(), pipe());
    let streams = Streams {
        input: their_input,
        output: their_output,
    };
    let messages = decoded(output.into(), libfaas::Encoding::Json);
    drop(input);
    let exit = Function::new().run(
        vars(libfaas::Encoding::Json, &[]),
        streams,
        each(Ok::<Event, Status>),
    );
    assert_eq!(exit.status(), 69);
    assert_eq!(messages.iter().count(), 1);
}
