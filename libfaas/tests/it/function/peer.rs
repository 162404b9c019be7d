//! The host's end of a function that runs in this process.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use libfaas::function::{Call, Exit, Function, Streams};
use libfaas::{
    Cancel, Code, Context, Encoding, Event, Hello, Limits, Message, MessageDecoder, Status,
    encode_message,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// Far longer than anything here takes; whoever waits that long has found a defect.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A pipe: its readable and its writable end.
pub(super) fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

/// A function in stream mode, and the host's ends of its streams.
pub(super) struct Peer {
    pub(super) encoding: Encoding,
    input: Option<File>,
    output: Receiver<Message>,
    exit: Receiver<Exit>,
}

pub(super) fn vars(encoding: Encoding, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let vars = [("FAAS_MODE", "stream"), ("FAAS_ENCODING", encoding.name())];
    vars.iter()
        .chain(more)
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

impl Peer {
    /// Starts a function in stream mode and JSON, and greets it.
    pub(super) fn start(
        more: &[(&str, &str)],
        handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        let mut peer = Peer::spawn(Function::new(), Encoding::Json, more, handler);
        peer.greet();
        peer
    }

    pub(super) fn spawn(
        function: Function,
        encoding: Encoding,
        more: &[(&str, &str)],
        handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        let ((their_input, input), (output, their_output)) = (pipe(), pipe());
        let streams = Streams {
            input: their_input,
            output: their_output,
        };
        let vars = vars(encoding, more);
        let exit = on_thread(move || function.run(vars, streams, handler));
        Peer {
            encoding,
            input: Some(input.into()),
            output: decoded(output.into(), encoding),
            exit,
        }
    }

    pub(super) fn greet(&mut self) {
        self.send(hello("1.0", Status::ok()));
        let answer = self.receive().hello.expect("the first message is a hello");
        assert_eq!((answer.fsi.as_str(), answer.status), ("1.0", Status::ok()));
    }

    pub(super) fn send(&mut self, message: Message) {
        self.send_all([message]);
    }

    /// Sends messages in one write.
    pub(super) fn send_all(&mut self, messages: impl IntoIterator<Item = Message>) {
        let mut bytes = Vec::new();
        for message in messages {
            encode_message(&message, self.encoding, &mut bytes);
        }
        self.send_bytes(&bytes);
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        self.input
            .as_mut()
            .expect("the input is open")
            .write_all(bytes)
            .unwrap();
    }

    pub(super) fn receive(&mut self) -> Message {
        self.output.recv_timeout(PATIENCE).expect("a message")
    }

    /// The next message, which has nothing but an end for this call.
    pub(super) fn receive_end(&mut self, call: u64) -> Status {
        let message = self.receive();
        assert_eq!((message.call, &message.event), (call, &None), "{message:?}");
        message.end.expect("an end")
    }

    /// The input as it is, for writing on a thread of its own.
    pub(super) fn take_input(&mut self) -> File {
        self.input.take().expect("the input is open")
    }

    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// Nothing more is written, and the function ends so.
    pub(super) fn exit(self) -> Exit {
        let exit = self.exit.recv_timeout(PATIENCE).expect("the function ends");
        assert_eq!(
            self.output.recv_timeout(PATIENCE),
            Err(RecvTimeoutError::Disconnected)
        );
        exit
    }

    /// Closes the input; the function has nothing more to say and ends well.
    pub(super) fn close(mut self) {
        self.close_input();
        assert_eq!(self.exit(), Exit::Done);
    }
}

/// Runs something that may never end; its result comes through a channel.
pub(super) fn on_thread<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    let _: JoinHandle<_> = thread::spawn(move || sender.send(run()));
    receiver
}

/// The messages of a stream. The channel closes where the stream ends.
pub(super) fn decoded(mut output: File, encoding: Encoding) -> Receiver<Message> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let limits = Limits {
            max_message_bytes: 64 << 20,
            ..Limits::default()
        };
        let mut decoder = MessageDecoder::new(encoding, limits);
        let mut buffer = vec![0; 1 << 16];
        loop {
            while let Some(received) = decoder.next().expect("a well-formed stream") {
                assert_eq!(received.invalid_event, None);
                if sender.send(received.message).is_err() {
                    return;
                }
            }
            match output.read(&mut buffer).unwrap() {
                0 => return,
                count => decoder.push(&buffer[..count]),
            }
        }
    });
    receiver
}

pub(super) fn hello(fsi: &str, status: Status) -> Message {
    let hello = Hello {
        fsi: fsi.into(),
        producer: "host".into(),
        status,
    };
    Message {
        hello: Some(hello),
        ..Message::default()
    }
}

pub(super) fn event(id: &str) -> Event {
    Event::builder(id, "/test", "test").build().unwrap()
}

/// A call of one event.
pub(super) fn unary(call: u64, event: Event) -> Message {
    Message {
        end: Some(Status::ok()),
        ..one(call, event)
    }
}

/// An event of a call that goes on.
pub(super) fn one(call: u64, event: Event) -> Message {
    Message {
        call,
        event: Some(event),
        ..Message::default()
    }
}

pub(super) fn end(call: u64, code: Code) -> Message {
    Message {
        call,
        end: Some(Status::from(code)),
        ..Message::default()
    }
}

pub(super) fn cancel(call: u64) -> Message {
    Message {
        call,
        cancel: Some(Cancel {
            reason: "enough".into(),
        }),
        ..Message::default()
    }
}

pub(super) fn context(invocation_id: &str) -> Option<Context> {
    Some(Context {
        invocation_id: invocation_id.into(),
        ..Context::default()
    })
}

/// Streams of which everything is written before the function runs, and what it wrote.
pub(super) fn run_once(
    function: Function,
    vars: &[(&str, &str)],
    input: &[u8],
    handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
) -> (Exit, Vec<u8>) {
    let ((their_input, ours), (output, their_output)) = (pipe(), pipe());
    let input = input.to_vec();
    on_thread(move || File::from(ours).write_all(&input));
    let written = on_thread(move || {
        let mut bytes = Vec::new();
        File::from(output).read_to_end(&mut bytes).map(|_| bytes)
    });
    let vars: Vec<_> = vars
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let streams = Streams {
        input: their_input,
        output: their_output,
    };
    let exit = function.run(vars, streams, handler);
    (exit, written.recv_timeout(PATIENCE).unwrap().unwrap())
}
