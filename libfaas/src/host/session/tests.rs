mod calls;
mod endings;
mod pieces;
mod properties;

use std::time::{Duration, Instant};

use crate::host::{Notice, Part, Session, session::Options};
use crate::{
    Code, Context, Encoding, Event, Hello, Limits, Message, MessageDecoder, Status, encode_message,
};

const INIT: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(1);

fn options() -> Options {
    Options {
        spec: "1.0".into(),
        producer: "test".into(),
        encoding: Encoding::Protobuf,
        concurrency: 1,
        chunks: false,
        max_message_bytes: 16 << 20,
        max_event_bytes: None,
        max_output_bytes: None,
        init: INIT,
        cancel_grace: GRACE,
    }
}

/// A session and what a function at its other end would see and say.
struct Pair {
    session: Session,
    reader: MessageDecoder,
    encoding: Encoding,
    now: Instant,
}

impl Pair {
    fn new(options: Options) -> Self {
        let (encoding, now) = (options.encoding, Instant::now());
        Pair {
            session: Session::new(options, now),
            reader: MessageDecoder::new(encoding, Limits::default()),
            encoding,
            now,
        }
    }

    /// After both hellos.
    fn ready(options: Options) -> Self {
        let mut pair = Pair::new(options);
        assert!(pair.written()[0].hello.is_some());
        pair.hello(Status::ok());
        assert!(matches!(pair.session.notice(), Some(Notice::Ready(_))));
        pair
    }

    /// What the host has written since this was last asked.
    fn written(&mut self) -> Vec<Message> {
        let bytes = self.session.outgoing().to_vec();
        self.session.wrote(bytes.len());
        self.reader.push(&bytes);
        let next = || self.reader.next().unwrap().map(|received| received.message);
        std::iter::from_fn(next).collect()
    }

    fn says(&mut self, message: Message) {
        let mut bytes = Vec::new();
        encode_message(&message, self.encoding, &mut bytes);
        self.session.read(&bytes, self.now);
    }

    fn hello(&mut self, status: Status) {
        let hello = Hello {
            fsi: "1.0".into(),
            producer: "f".into(),
            status,
        };
        self.says(Message {
            hello: Some(hello),
            ..Message::default()
        });
    }

    fn answers(&mut self, call: u64, part: Part) {
        let Part {
            event,
            chunk,
            more,
            end,
        } = part;
        self.says(Message {
            call,
            event,
            chunk,
            more,
            end,
            ..Message::default()
        });
    }

    fn ends(&mut self, call: u64, code: Code) {
        self.answers(call, Part::end(code.into()));
    }

    /// Opens a call with all of its input.
    fn call(&mut self, deadline: Option<Duration>) -> u64 {
        let deadline = deadline.map(|after| self.now + after);
        let call = self.session.open(Context::default(), deadline);
        self.session.send(call, Part::last(event("in")));
        call
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
    }

    /// The codes of the ends, and `kill`, `retired`, `part`, `ready` for what else was noticed.
    fn noticed(&mut self) -> Vec<String> {
        let describe = |notice| match notice {
            Notice::Ready(_) => "ready".to_owned(),
            Notice::Retired => "retired".to_owned(),
            Notice::Kill(status) => format!("kill {}", status.code),
            Notice::Part { call, part } => match part.end {
                Some(end) => format!("{call} {}", end.code),
                None => format!("{call} part"),
            },
        };
        std::iter::from_fn(|| self.session.notice())
            .map(describe)
            .collect()
    }
}

fn event(data: &str) -> Event {
    let event = Event::builder("1", "/s", "t").datacontenttype("text/plain");
    event.data(data).build().unwrap()
}
