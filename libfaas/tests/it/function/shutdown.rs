//! EOF, closed streams.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use libfaas::function::{Exit, Function, Streams, each, many};
use libfaas::{Code, Encoding, Event, Message, Status};
use rustix::pipe::fcntl_getpipe_size;

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

/// A function that has answered hello, its input, its output with both ends, and how it ends.
fn greeted(
    more: &[(&str, &str)],
    handler: impl Fn(&mut libfaas::function::Call) -> Result<(), Status> + Send + Sync + 'static,
) -> (File, (OwnedFd, OwnedFd), mpsc::Receiver<Exit>) {
    let ((their_input, input), (output, their_output)) = (pipe(), pipe());
    let mut input = File::from(input);
    let streams = Streams {
        input: their_input,
        output: their_output.try_clone().unwrap(),
    };
    let vars = vars(Encoding::Json, more);
    let exit = on_thread(move || Function::new().run(vars, streams, handler));
    input.write_all(&json(&hello("1.0", Status::ok()))).unwrap();
    rustix::io::read(&output, &mut [0; 1024]).unwrap();
    (input, (output, their_output), exit)
}

fn json(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    libfaas::encode_message(message, Encoding::Json, &mut bytes);
    bytes
}

#[test]
fn a_closed_stdout_is_noticed_while_idle() {
    let (_input, output, exit) = greeted(&[], each(Ok::<Event, Status>));
    drop(output);
    assert_eq!(exit.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
}

#[test]
fn a_closed_stdout_is_noticed_while_a_call_runs() {
    let (mut input, output, exit) = greeted(&[], many(|_, out| Err(out.wait_cancelled())));
    input.write_all(&json(&unary(1, event("1")))).unwrap();
    drop(output);
    assert_eq!(exit.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
}

/// Nobody takes the answer to the first call, so that the end waits while another thread could read.
/// There is none where the fault is found before the handler has given it.
#[test]
fn what_follows_a_fault_is_not_handled() {
    let (handled, seen) = mpsc::channel();
    let handled = Mutex::new(handled);
    let (mut input, (output, theirs), exit) = greeted(
        &[("FAAS_CONCURRENCY", "2")],
        each(move |event: Event| {
            let sent = handled.lock().unwrap().send(event.id().to_owned());
            sent.map(|()| event)
                .map_err(|_| Status::from(Code::Aborted))
        }),
    );
    let full = vec![b' '; fcntl_getpipe_size(&output).unwrap()];
    File::from(theirs).write_all(&full).unwrap();
    let mut bytes = json(&unary(1, event("1")));
    bytes.extend(b"{\"call\":2,\"chunk\":\"eA==\"}\n");
    bytes.extend(json(&unary(3, event("3"))));
    input.write_all(&bytes).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).as_deref(), Ok("1"));
    seen.recv_timeout(Duration::from_millis(100)).unwrap_err();
    let mut rest = Vec::new();
    File::from(output).read_to_end(&mut rest).unwrap();
    let answer = &rest[full.len()..];
    assert!(answer.is_empty() || answer == json(&unary(1, event("1"))));
    assert_eq!(exit.recv_timeout(PATIENCE).unwrap().status(), 65);
}

#[test]
fn eof_before_anything_is_answered_by_hello_only() {
    let ((their_input, input), (output, their_output)) = (pipe(), pipe());
    let streams = Streams {
        input: their_input,
        output: their_output,
    };
    let messages = decoded(output.into(), Encoding::Json);
    drop(input);
    let exit = Function::new().run(
        vars(Encoding::Json, &[]),
        streams,
        each(Ok::<Event, Status>),
    );
    assert_eq!(exit.status(), 69);
    assert_eq!(messages.iter().count(), 1);
}
