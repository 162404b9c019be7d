//! Three functions, stdout to stdin.

use std::os::fd::OwnedFd;
use std::sync::mpsc::Receiver;

use libfaas::function::{Call, Exit, Function, Streams, each, many};
use libfaas::{Code, Encoding, Event, Message, Status, encode_message};

use super::peer::{
    PATIENCE, cancel, context, decoded, end, event, hello, on_thread, pipe, unary, vars,
};

struct Pipeline {
    input: Option<OwnedFd>,
    output: Receiver<Message>,
    exits: Vec<Receiver<Exit>>,
}

fn stage(
    input: OwnedFd,
    function: Function,
    handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
) -> (OwnedFd, Receiver<Exit>) {
    let (output, their_output) = pipe();
    let streams = Streams {
        input,
        output: their_output,
    };
    let vars = vars(Encoding::Protobuf, &[("FAAS_CONCURRENCY", "2")]);
    (
        output,
        on_thread(move || function.run(vars, streams, handler)),
    )
}

impl Pipeline {
    /// Two that pass events on, and a last one that waits for a cancel where an event is to wait.
    fn start(first: Function) -> Self {
        let (their_input, input) = pipe();
        let (a, first) = stage(their_input, first, each(Ok::<Event, Status>));
        let (b, second) = stage(a, Function::new(), each(Ok::<Event, Status>));
        let (c, third) = stage(
            b,
            Function::new(),
            many(|event, out| match event.id() {
                "wait" => Err(out.wait_cancelled()),
                _ => out.emit_last(event),
            }),
        );
        let output = decoded(c.into(), Encoding::Protobuf);
        let mut pipeline = Pipeline {
            input: Some(input),
            output,
            exits: vec![first, second, third],
        };
        pipeline.send(hello("1.0", Status::ok()));
        pipeline
    }

    fn send(&mut self, message: Message) {
        let mut bytes = Vec::new();
        encode_message(&message, Encoding::Protobuf, &mut bytes);
        rustix::io::write(self.input.as_ref().unwrap(), &bytes).unwrap();
    }

    fn receive(&mut self) -> Message {
        self.output.recv_timeout(PATIENCE).unwrap()
    }

    fn exits(&mut self) -> Vec<Exit> {
        self.exits
            .iter()
            .map(|exit| exit.recv_timeout(PATIENCE).unwrap())
            .collect()
    }
}

#[test]
fn context_errors_cancels_and_eof_cross_it() {
    let mut pipeline = Pipeline::start(Function::new());
    assert_eq!(pipeline.receive().hello.unwrap().status, Status::ok());
    let with_context = |message| Message {
        context: context("i"),
        ..message
    };
    pipeline.send(with_context(unary(1, event("1"))));
    assert_eq!(pipeline.receive(), with_context(unary(1, event("1"))));
    pipeline.send(end(2, Code::DataLoss));
    assert_eq!(pipeline.receive(), end(2, Code::DataLoss));

    // The first two are long done with the call when its cancel comes.
    pipeline.send(with_context(unary(3, event("wait"))));
    pipeline.send(unary(4, event("4")));
    assert_eq!(pipeline.receive(), unary(4, event("4")));
    pipeline.send(cancel(3));
    assert_eq!(pipeline.receive(), with_context(cancel(3)));
    let last = pipeline.receive();
    assert_eq!((last.call, last.end.unwrap().code), (3, Code::Cancelled));

    pipeline.input = None;
    assert_eq!(pipeline.exits(), [Exit::Done, Exit::Done, Exit::Done]);
}

#[test]
fn the_last_hello_speaks_for_all() {
    let failing = Function::new().init(|| Err(Status::new(Code::FailedPrecondition, "no model")));
    let mut pipeline = Pipeline::start(failing);
    let failed = Status::new(Code::FailedPrecondition, "no model");
    assert_eq!(pipeline.receive().hello.unwrap().status, failed);
    assert_eq!(pipeline.exits(), vec![Exit::Failed(failed); 3]);
}

#[test]
fn it_unwinds_from_the_back_while_it_is_idle() {
    let (their_input, input) = pipe();
    let (a, first) = stage(their_input, Function::new(), each(Ok::<Event, Status>));
    let (b, second) = stage(a, Function::new(), each(Ok::<Event, Status>));
    let mut bytes = Vec::new();
    encode_message(&hello("1.0", Status::ok()), Encoding::Protobuf, &mut bytes);
    rustix::io::write(&input, &bytes).unwrap();
    rustix::io::read(&b, &mut [0; 100]).unwrap();
    drop(b);
    assert_eq!(second.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
    assert_eq!(first.recv_timeout(PATIENCE), Ok(Exit::BrokenPipe));
}
